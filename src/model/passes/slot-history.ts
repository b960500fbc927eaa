import type { FedTokens, SlotCopy } from '../../generate/index.ts'

/** From which positions the slots of a cache can go on. */
interface SlotHistory {
  /** `count`, or 0 where a slot cannot go on from there. */
  resumable(slot: number, count: number): number
  /** Notes tokens that are fed. */
  feed(tokens: Pick<FedTokens, 'slots' | 'positions'>): void
  /** Notes slots that are copied. */
  copy(copies: readonly SlotCopy[]): void
}

/**
 * States know the newest positions only, and to go on from an earlier one would compute with what later tokens made of them.
 *
 * @param rewinds  how many of a slot's newest tokens may be fed again; Infinity: every position is remembered
 */
export function createHistory(slotCount: number, rewinds: number): SlotHistory {
  if (rewinds === Infinity) return { resumable: (_, count) => count, feed: () => {}, copy: () => {} }
  /** A slot goes on from the beginning, or from one of these. */
  const ranges = Array.from({ length: slotCount }, () => ({ first: 0, last: 0 }))
  const canGoOn = (slot: number, position: number): boolean =>
    position === 0 || (position >= ranges[slot].first && position <= ranges[slot].last)
  const check = (slot: number, position: number): void => {
    if (canGoOn(slot, position)) return
    const { first, last } = ranges[slot]
    throw new Error(`slot ${slot} can go on from positions 0 and ${first} to ${last}, not from ${position}`)
  }
  return {
    resumable: (slot, count) => (canGoOn(slot, count) ? count : 0),
    feed({ slots, positions }) {
      positions.forEach((position, i) => {
        const slot = slots[i]
        check(slot, position)
        const first = position === 0 ? 0 : ranges[slot].first
        // What the token leaves takes the place of the oldest.
        ranges[slot] = { first: Math.max(first, position + 1 - rewinds), last: position + 1 }
      })
    },
    copy(copies) {
      for (const { source, slot, count } of copies) {
        check(source, count)
        ranges[slot] = ranges[source]
      }
    },
  }
}
