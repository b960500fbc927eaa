/** How often each length occurred, in memory that does not grow with their number. */
export interface LengthCounts {
  readonly count: number
  /** Of all lengths, 0 where there are none. */
  readonly min: number
  readonly max: number
  add(length: number): void
  /** The length that a part of them does not exceed (0.5: the median); exact below `exactBelow`, else at most 1.6% too small. */
  quantile(part: number): number
  /** How many are in [from, to); exact where both borders are below `exactBelow`. */
  between(from: number, to: number): number
}

/** Lengths below this have a count each; longer ones share it with their neighbours. */
const exactBelow = 4096
/** Counts for a doubling of the length. */
const perDoubling = 64
const slots = exactBelow + 24 * perDoubling

/** No length yet. */
export function createLengthCounts(): LengthCounts {
  const counts = new Float64Array(slots)
  let count = 0
  let min = 0
  let max = 0
  return {
    get count() {
      return count
    },
    get min() {
      return min
    },
    get max() {
      return max
    },
    add(length) {
      counts[slotOf(length)] += 1
      min = count === 0 ? length : Math.min(min, length)
      max = Math.max(max, length)
      count += 1
    },
    quantile(part) {
      const rank = Math.max(1, Math.ceil(part * count))
      let seen = 0
      for (let slot = 0; slot < slots && count > 0; slot += 1) {
        seen += counts[slot]
        if (seen >= rank) return Math.min(max, Math.max(min, lengthAt(slot)))
      }
      return max
    },
    between(from, to) {
      let sum = 0
      for (let slot = slotOf(from); slot < slots && lengthAt(slot) < to; slot += 1) sum += counts[slot]
      return sum
    },
  }
}

function slotOf(length: number): number {
  if (length < exactBelow) return length
  const doublings = Math.floor(Math.log2(length / exactBelow))
  const within = Math.floor((length / (exactBelow * 2 ** doublings) - 1) * perDoubling)
  return Math.min(slots - 1, exactBelow + doublings * perDoubling + within)
}

/** The shortest length of a slot. */
function lengthAt(slot: number): number {
  if (slot < exactBelow) return slot
  const doublings = Math.floor((slot - exactBelow) / perDoubling)
  return exactBelow * 2 ** doublings * (1 + ((slot - exactBelow) % perDoubling) / perDoubling)
}
