import type { StepBudget } from '../../patterns/index.ts'
import { joinTexts, sliceText, type AlignedText } from './aligned-text.ts'
import type { Finder } from './finder.ts'

/** A text that is being cut into words. */
export interface Cut {
  readonly text: AlignedText
  /** Start and end of each word, one after the other; none is empty. */
  readonly borders: readonly number[]
  /** What the patterns may still cost. */
  readonly budget: StepBudget
}

/** Cuts a text into the words that the model tokenises one by one, or words into smaller ones. */
export type PreTokenizer = (cut: Cut) => Cut

/** What becomes of the parts of a text that a pattern matches. */
export const behaviors = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
] as const
export type Behavior = (typeof behaviors)[number]

/**
 * Cuts words at what a finder finds.
 *
 * @param inverts  whether what lies between counts as found, and what is found as lying between
 */
export function splitAt(find: Finder, behavior: Behavior, inverts = false): PreTokenizer {
  const keepsFound = behavior === 'Isolated' || (behavior === 'Removed' && inverts)
  return ({ text, borders, budget }) => {
    let words: number[] = []
    for (let i = 0; i < borders.length; i += 2) {
      const found: number[] = []
      find(text.text, borders[i], borders[i + 1], budget, found)
      // Most patterns of tokenizers find all of a text.
      if (keepsFound && words.length === 0 && isWhole(found, borders[i], borders[i + 1])) words = found
      else if (behavior === 'Isolated') isolate(found, borders[i], borders[i + 1], words)
      else merge(found, borders[i], borders[i + 1], behavior, inverts, words)
    }
    return { text, borders: words, budget }
  }
}

/** Whether stretches, none of them empty, follow on each other from start to end. */
function isWhole(found: readonly number[], start: number, end: number): boolean {
  let position = start
  for (let i = 0; i < found.length; i += 2) {
    if (found[i] !== position || found[i + 1] === position) return false
    position = found[i + 1]
  }
  return position === end
}

function isolate(found: readonly number[], start: number, end: number, words: number[]): void {
  let position = start
  for (let i = 0; i < found.length; i += 2) {
    const from = found[i]
    if (from > position) words.push(position, from)
    position = found[i + 1]
    if (position > from) words.push(from, position)
  }
  if (position < end) words.push(position, end)
}

function merge(
  found: readonly number[],
  start: number,
  end: number,
  behavior: Behavior,
  inverts: boolean,
  words: number[],
): void {
  let wasMatch: boolean | undefined
  // The word that is being put together; whether it is joined depends on the kind of what was there before joining.
  let from = start
  let to = start
  const add = (next: number, last: number, found: boolean): void => {
    const isMatch = found !== inverts
    if (wasMatch === undefined || !isJoined(behavior, wasMatch, isMatch)) {
      flush()
      from = next
    }
    to = last
    wasMatch = isMatch
    if (behavior === 'Removed' && isMatch) from = last
  }
  const flush = (): void => {
    if (to > from) words.push(from, to)
  }
  let position = start
  for (let i = 0; i < found.length; i += 2) {
    if (found[i] > position) add(position, found[i], false)
    position = found[i + 1]
    add(found[i], position, true)
  }
  if (position < end) add(position, end, false)
  flush()
}

function isJoined(behavior: Behavior, wasMatch: boolean, isMatch: boolean): boolean {
  switch (behavior) {
    case 'Removed':
    case 'Isolated':
      return false
    case 'Contiguous':
      return wasMatch === isMatch
    case 'MergedWithPrevious':
      return isMatch && !wasMatch
    case 'MergedWithNext':
      return !isMatch && wasMatch
  }
}

/** Changes each word on its own. */
export function changeWords(change: (word: AlignedText) => AlignedText): PreTokenizer {
  return ({ text, borders, budget }) => {
    const words: AlignedText[] = []
    const changed: number[] = []
    let length = 0
    for (let i = 0; i < borders.length; i += 2) {
      const word = change(sliceText(text, borders[i], borders[i + 1]))
      if (word.text === '') continue
      words.push(word)
      changed.push(length, (length += word.text.length))
    }
    return { text: words.length === 0 ? sliceText(text, 0, 0) : joinTexts(words), borders: changed, budget }
  }
}
