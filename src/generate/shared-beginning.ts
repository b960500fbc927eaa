import type { SlotCopy } from './decoder.ts'

/**
 * The fewest tokens worth copying for a row, and for all rows together: the rows that copy are computed after those that
 * they copy from, and one more pass costs as much as some twenty tokens of a prompt.
 */
const fewestOfRow = 8
const fewestOfAll = 64

/**
 * Which beginnings of prompts need not be computed since an earlier prompt has them: the first prompt of each kind is
 * computed whole, later ones copy the longest beginning that they share with one of those. Prompt i lives in slot i.
 *
 * @param cached   how many first tokens of each prompt its slot already holds
 * @param rewinds  of the decoder: beginnings without more of a prompt's last tokens than these cannot be copied
 */
export function sharedBeginnings(
  prompts: readonly (readonly number[])[],
  cached: readonly number[] = [],
  rewinds = Infinity,
): SlotCopy[] {
  const firsts: number[] = []
  const copies: SlotCopy[] = []
  let saved = 0
  prompts.forEach((prompt, slot) => {
    let longest: SlotCopy = { source: slot, slot, count: 0 }
    for (const source of firsts) {
      // The last token is computed in any case, since the next one is chosen from what comes out after it.
      const count = Math.min(sharedBeginning(prompts[source], prompt), prompt.length - 1)
      if (count > longest.count && prompts[source].length - count <= rewinds)
        longest = { source, slot, count }
    }
    const gain = longest.count - (cached[slot] ?? 0)
    if (gain < fewestOfRow) firsts.push(slot)
    else {
      copies.push(longest)
      saved += gain
    }
  })
  return saved < fewestOfAll ? [] : copies
}

/** How many first tokens two sequences have in common. */
export function sharedBeginning(a: readonly number[], b: readonly number[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1
  return length
}
