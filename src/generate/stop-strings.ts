import type { Tokenizer } from '../tokenizer/index.ts'

/** Hears the tokens of one sequence and says when its text holds a stop string. */
export interface StopListener {
  /** Whether the text ends with this token: a stop string is in it. */
  push(token: number): boolean
}

/**
 * Listens for stop strings in the text of the new tokens, special tokens included. A string may begin and end inside of tokens; the
 * text of the prompt does not count.
 */
export function createStopListener(
  stopStrings: readonly string[],
  tokenizer: Pick<Tokenizer, 'createDecodeStream'>,
): StopListener {
  const decoding = tokenizer.createDecodeStream({ skipSpecialTokens: false })
  const longest = Math.max(...stopStrings.map((text) => text.length))
  let tail = ''
  return {
    push(token) {
      const text = tail + decoding.push(token)
      tail = text.slice(Math.max(0, text.length - longest + 1))
      return stopStrings.some((stop) => text.includes(stop))
    },
  }
}

/** The text of an answer up to its first stop string. */
export function cutAtStopString(text: string, stopStrings: string | readonly string[] = []): string {
  const stops = typeof stopStrings === 'string' ? [stopStrings] : stopStrings
  const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends))
}

/** How much of a text's end may be the beginning of a stop string. */
export function heldBack(text: string, stopStrings: readonly string[]): number {
  const longest = stopStrings.reduce((most, { length }) => Math.max(most, length - 1), 0)
  for (let count = Math.min(longest, text.length); count > 0; count -= 1)
    if (stopStrings.some((stop) => stop.startsWith(text.slice(text.length - count)))) return count
  return 0
}
