import { quoteValue } from '../../../error.ts'
import { unsupported, type Part } from '../options.ts'
import type { ModelVocabulary } from './model.ts'

/** Which two tokens can become one, and how early. */
export interface Merges {
  /** The place of a pair in `ranks` and `results`, or -1. */
  find(left: number, right: number): number
  /** Lower ones are merged first. */
  readonly ranks: Int32Array
  /** Ids of what comes out. */
  readonly results: Int32Array
}

/** The merges of a tokenizer.json, where they stand. */
export interface MergeText {
  readonly text: string
  /** What stands there with escapes, written out; its places count on from the end of the text. */
  readonly written: string
  /** Of each merge: start and end of its left part, start and end of its right part. */
  readonly ranges: Int32Array
}

function isMergeText(value: unknown): value is MergeText {
  return (
    typeof value === 'object' && value !== null && 'ranges' in value && value.ranges instanceof Int32Array
  )
}

/**
 * Reads the merges of BPE into a table in typed arrays, with open addressing: pairs are looked up for every word that was not
 * seen before, and there are hundreds of thousands.
 */
export function readMerges({ json, place }: Part, { ids }: ModelVocabulary, prefix: string): Merges {
  const { merges } = json
  const count = isMergeText(merges) ? merges.ranges.length / 4 : Array.isArray(merges) ? merges.length : -1
  if (count < 0) throw unsupported(place, `merges: ${quoteValue(merges)}`, 'a list')
  const table = makeTable(count)
  let rank = 0
  const add = (left: string, right: string): void => {
    const [leftId, rightId, result] = [left, right, left + right.slice(prefix.length)].map((token) => {
      const id = ids.get(token)
      if (id !== undefined) return id
      throw unsupported(place, `a merge with ${quoteValue(token)}`, 'tokens of the vocabulary')
    })
    table.set(leftId, rightId, rank++, result)
  }
  if (isMergeText(merges)) {
    const { ranges, text, written } = merges
    for (let i = 0; i < ranges.length; i += 4) {
      const start = ranges[i]
      const end = ranges[i + 1]
      const then = ranges[i + 2]
      const last = ranges[i + 3]
      if (start < text.length && then < text.length && prefix === '') {
        const left = ids.find(text, start, end)
        const right = ids.find(text, then, last)
        const result = ids.find(text, start, end, then, last)
        if (left >= 0 && right >= 0 && result >= 0) {
          table.set(left, right, rank++, result)
          continue
        }
      }
      const part = (from: number, to: number): string =>
        from < text.length ? text.slice(from, to) : written.slice(from - text.length, to - text.length)
      add(part(start, end), part(then, last))
    }
  } else if (Array.isArray(merges))
    for (const entry of merges as unknown[])
      if (typeof entry !== 'string' || !entry.startsWith('#version')) add(...partsOf(entry, place))
  return table
}

function makeTable(
  count: number,
): Merges & { set(left: number, right: number, rank: number, result: number): void } {
  let bits = 4
  while (1 << bits < 2 * count) bits++
  const mask = (1 << bits) - 1
  const lefts = new Int32Array(1 << bits)
  const rights = new Int32Array(1 << bits)
  const ranks = new Int32Array(1 << bits).fill(-1)
  const results = new Int32Array(1 << bits)
  const slotOf = (left: number, right: number): number => {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> (32 - bits)
    while (ranks[slot] >= 0 && (lefts[slot] !== left || rights[slot] !== right)) slot = (slot + 1) & mask
    return slot
  }
  return {
    ranks,
    results,
    find(left, right) {
      const slot = slotOf(left, right)
      return ranks[slot] < 0 ? -1 : slot
    },
    set(left, right, rank, result) {
      const slot = slotOf(left | 0, right | 0)
      lefts[slot] = left
      rights[slot] = right
      ranks[slot] = rank
      results[slot] = result
    },
  }
}

function partsOf(entry: unknown, place: string): [left: string, right: string] {
  if (typeof entry === 'string') {
    const space = entry.indexOf(' ')
    if (space >= 0 && !entry.includes(' ', space + 1)) return [entry.slice(0, space), entry.slice(space + 1)]
  } else if (Array.isArray(entry)) {
    const [left, right]: unknown[] = entry
    if (entry.length === 2 && typeof left === 'string' && typeof right === 'string') return [left, right]
  }
  throw unsupported(place, `the merge ${quoteValue(entry)}`, 'two tokens')
}

/** Tokens that are being merged: `ids[i]` begins at unit `starts[i]`, and `starts[count]` is the end. */
export interface Row {
  ids: Int32Array
  starts: Int32Array
  count: number
}

/** Beyond this many tokens candidates wait in a heap; below, looking at all of them again is faster. */
const manyTokens = 64

/** Merges neighbours until none can be: of all pairs that of the lowest rank, from left to right. */
export function mergeAll(row: Row, merges: Merges): void {
  if (row.count > manyTokens) mergeMany(row, merges)
  else mergeFew(row, merges)
}

const slots = new Int32Array(manyTokens)

function mergeFew(row: Row, { find, ranks, results }: Merges): void {
  const { ids, starts } = row
  let { count } = row
  for (let i = 0; i + 1 < count; i++) slots[i] = find(ids[i], ids[i + 1])
  for (;;) {
    let best = -1
    let rank = 0x7fffffff
    for (let i = 0; i + 1 < count; i++)
      if (slots[i] >= 0 && ranks[slots[i]] < rank) {
        rank = ranks[slots[i]]
        best = i
      }
    if (best < 0) break
    ids[best] = results[slots[best]]
    count--
    for (let i = best + 1; i < count; i++) {
      ids[i] = ids[i + 1]
      starts[i] = starts[i + 1]
      slots[i] = slots[i + 1]
    }
    starts[count] = starts[count + 1]
    if (best > 0) slots[best - 1] = find(ids[best - 1], ids[best])
    if (best + 1 < count) slots[best] = find(ids[best], ids[best + 1])
  }
  row.count = count
}

/** The same with a heap; a candidate whose parts are gone meanwhile is passed over. */
function mergeMany(row: Row, { find, ranks, results }: Merges): void {
  const { ids, starts, count } = row
  const next = new Int32Array(count)
  const previous = new Int32Array(count)
  // What was merged into another token.
  const isGone = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    next[i] = i + 1
    previous[i] = i - 1
  }
  // A candidate is one number that orders by rank, then by place.
  const heap = makeHeap(count)
  const propose = (left: number, right: number): void => {
    if (left < 0 || right >= count) return
    const slot = find(ids[left], ids[right])
    if (slot >= 0) heap.push(ranks[slot] * count + left)
  }
  for (let i = 1; i < count; i++) propose(i - 1, i)
  for (let candidate = heap.pop(); candidate >= 0; candidate = heap.pop()) {
    const left = candidate % count
    const right = next[left]
    if (isGone[left] === 1 || right >= count) continue
    const slot = find(ids[left], ids[right])
    if (slot < 0 || ranks[slot] !== (candidate - left) / count) continue
    ids[left] = results[slot]
    isGone[right] = 1
    next[left] = next[right]
    if (next[left] < count) previous[next[left]] = left
    propose(previous[left], left)
    propose(left, next[left])
  }
  let kept = 0
  for (let i = 0; i < count; i = next[i], kept++) {
    ids[kept] = ids[i]
    starts[kept] = starts[i]
  }
  starts[kept] = starts[count]
  row.count = kept
}

interface Heap {
  push(value: number): void
  /** The smallest number, or -1. */
  pop(): number
}

function makeHeap(capacity: number): Heap {
  let values = new Float64Array(capacity)
  let size = 0
  return {
    push(value) {
      if (size === values.length) {
        const longer = new Float64Array(2 * size)
        longer.set(values)
        values = longer
      }
      let at = size++
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (values[parent] <= value) break
        values[at] = values[parent]
        at = parent
      }
      values[at] = value
    },
    pop() {
      if (size === 0) return -1
      const smallest = values[0]
      const last = values[--size]
      let at = 0
      for (;;) {
        let child = 2 * at + 1
        if (child >= size) break
        if (child + 1 < size && values[child + 1] < values[child]) child++
        if (values[child] >= last) break
        values[at] = values[child]
        at = child
      }
      values[at] = last
      return smallest
    },
  }
}
