import type { Decoder, FedTokens, SlotCopy } from '../../src/generate/index.ts'

/**
 * A model of one table: the logits after a token are its row of `table`. It keeps what it was fed, slot by slot, and
 * throws when a caller skips a position or asks for rows that were not fed.
 */
export function bigramDecoder(table: readonly (readonly number[])[], capacity = 64) {
  const cache = new Map<number, number[]>()
  const passes: { ids: number[]; slots: number[]; rows: number[] }[] = []
  const greedyPasses: number[] = []
  const copies: SlotCopy[] = []
  const feed = (tokens: FedTokens, rows: Int32Array): Float32Array => {
    passes.push({ ids: [...tokens.ids], slots: [...tokens.slots], rows: [...rows] })
    tokens.ids.forEach((id, i) => {
      const slot = cache.get(tokens.slots[i]) ?? []
      const position = tokens.positions[i]
      if (position > slot.length || position >= capacity)
        throw new Error(`position ${position} of ${slot.length}`)
      cache.set(tokens.slots[i], [...slot.slice(0, position), id])
    })
    if (rows.some((row, i) => row >= tokens.ids.length || (i > 0 && row <= rows[i - 1])))
      throw new Error(`rows ${[...rows].join()}`)
    return Float32Array.from([...rows].flatMap((row) => table[tokens.ids[row]]))
  }
  const decoder: Decoder = {
    vocabSize: table.length,
    capacity,
    rewinds: Infinity,
    resumable: (_, count) => count,
    feed: async (tokens, rows) => feed(tokens, rows),
    async feedLargest(tokens, rows, count) {
      const logits = feed(tokens, rows)
      return Array.from(rows, (_, i) => {
        const row = logits.subarray(i * table.length, (i + 1) * table.length)
        const smallest = row.toSorted().at(-Math.min(count, row.length)) ?? 0
        const ids = Int32Array.from(row.keys()).filter((id) => row[id] >= smallest)
        return { ids, scores: Float32Array.from(ids, (id) => row[id]) }
      })
    },
    async feedGreedy(tokens, rows) {
      greedyPasses.push(rows.length)
      const logits = feed(tokens, rows)
      return Int32Array.from(rows, (_, i) => {
        const row = [...logits.subarray(i * table.length, (i + 1) * table.length)]
        return row.indexOf(Math.max(...row))
      })
    },
    async continueGreedily({ ids, slots, positions }, times, onTokens) {
      let tokens = { ids, slots, positions }
      for (let run = 0; run < times; run += 1) {
        const best = await decoder.feedGreedy(tokens, Int32Array.from(ids.keys()))
        tokens = { ids: best, slots, positions: tokens.positions.map((position) => position + 1) }
        if (!onTokens(best)) return
      }
    },
    async copySlots(given) {
      for (const { source, slot, count } of given) {
        const from = cache.get(source) ?? []
        if (count > from.length) throw new Error(`${count} positions of ${from.length}`)
        cache.set(slot, from.slice(0, count))
        copies.push({ source, slot, count })
      }
    },
    free() {},
  }
  return { decoder, cache, passes, greedyPasses, copies }
}
