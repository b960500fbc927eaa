import type { Decoder, FedTokens, SlotCopy } from '../../generate/index.ts'
import { ropesOf } from '../blocks/architecture.ts'
import { followsLength, longestWithTable, tableVersion } from '../blocks/rope.ts'
import type { ModelState } from '../state/model-state.ts'
import { ensurePositions } from '../state/rotations.ts'

/** Tokens that are fed again in one pass. */
const chunkTokens = 1024

/**
 * A decoder of a model whose rotations depend on the length of the longest sequence (longrope, dynamic): before each pass it makes
 * the tables for that length. Where what the cache holds would have been turned otherwise, it is fed again, as transformers
 * does where a sequence outgrows the original length of a Phi-3. Of other models it is the decoder itself.
 */
export function followLength(decoder: Decoder, state: ModelState, slotCount: number): Decoder {
  const ropes = ropesOf(state.architecture).filter(followsLength)
  if (ropes.length === 0) return decoder
  // What dynamic turned stays as it is, and tokens that come later have tables of their own length.
  const turnsAgain = ropes.filter(({ scaling: { type } }) => type === 'longrope')
  const held: number[][] = Array.from({ length: slotCount }, () => [])
  /** Tokens of the longest prompt. */
  let prompted = 0
  let versions = ''
  const longest = () =>
    turnsAgain.length === 0 ? prompted : Math.max(prompted, ...held.map(({ length }) => length))

  return {
    ...decoder,
    async feed(tokens, rows) {
      await follow(tokens)
      return decoder.feed(tokens, rows)
    },
    async feedLargest(tokens, rows, count) {
      await follow(tokens)
      return decoder.feedLargest(tokens, rows, count)
    },
    async feedGreedy(tokens, rows) {
      await follow(tokens)
      return decoder.feedGreedy(tokens, rows)
    },
    async continueGreedily(tokens, times, onTokens) {
      let next = tokens
      let goesOn = true
      for (let left = times; left > 0 && goesOn;) {
        await follow(next)
        const room = Math.min(...ropes.map((rope) => longestWithTable(rope, longest()))) - longest()
        const steps = Math.min(left, room + 1)
        let done = 0
        await decoder.continueGreedily(next, steps, (best) => {
          done += 1
          next = { ids: best.slice(), slots: next.slots, positions: next.positions.map((at) => at + 1) }
          goesOn = onTokens(best)
          if (goesOn && done < steps) remember(next)
          return goesOn
        })
        left -= steps
      }
    },
    async copySlots(copies: readonly SlotCopy[]) {
      await decoder.copySlots(copies)
      for (const { source, slot, count } of copies) held[slot] = held[source].slice(0, count)
    },
  }

  /** Takes note of tokens that are fed, and of where those of each slot begin. */
  function remember({ ids, slots, positions }: FedTokens): Map<number, number> {
    const starts = new Map<number, number>()
    ids.forEach((id, i) => {
      const tokens = held[slots[i]]
      if (!starts.has(slots[i])) starts.set(slots[i], positions[i])
      tokens.length = Math.min(tokens.length, positions[i])
      tokens[positions[i]] = id
    })
    return starts
  }

  /** Makes the tables for tokens that are about to be fed. */
  async function follow(tokens: FedTokens): Promise<void> {
    const starts = remember(tokens)
    const isBeginning = [...starts.values()].includes(0)
    prompted = tokens.promptLength ?? (isBeginning ? Math.max(...held.map(({ length }) => length)) : prompted)
    // Another pass of the model may have changed the tables.
    ensurePositions(state, decoder.capacity, longest())
    const wanted = turnsAgain.map((rope) => tableVersion(rope, longest())).join()
    const feedsAgain = versions !== '' && versions !== wanted
    versions = wanted
    if (!feedsAgain) return
    const again = held.flatMap((ids, slot) =>
      ids.slice(0, starts.get(slot)).map((id, position) => ({ id, slot, position })),
    )
    for (let start = 0; start < again.length; start += chunkTokens) {
      const some = again.slice(start, start + chunkTokens)
      await decoder.feedGreedy(
        {
          ids: Int32Array.from(some, ({ id }) => id),
          slots: Int32Array.from(some, ({ slot }) => slot),
          positions: Int32Array.from(some, ({ position }) => position),
        },
        Int32Array.of(some.length - 1),
      )
    }
  }
}
