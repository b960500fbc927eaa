import { FettleError } from '../../error.ts'
import { plural } from '../../plural.ts'

/** Which of text and pair gives way. */
export type Truncation = 'longest_first' | 'only_first' | 'only_second'

/**
 * Which tokens stay when an encoding is too long: all that the post-processor added, and of text and pair as
 * many as fit. The truncation of tokenizer.json is not obeyed: transformers, too, leaves it to each call.
 *
 * @param sequences  per token: 0 text, 1 pair, null added by the post-processor
 * @returns          indices in order
 */
export function keptTokens(
  sequences: readonly (number | null | undefined)[],
  maxLength: number,
  strategy: Truncation,
  side: 'left' | 'right',
): number[] {
  const counts = [0, 0]
  for (const sequence of sequences) if (typeof sequence === 'number') counts[sequence]++
  const [first, second] = counts
  const room = maxLength - (sequences.length - first - second)
  if (room < 0)
    throw new FettleError({
      place: 'tokenizer.encode',
      found: `maxLength ${maxLength}`,
      expected: `at least ${sequences.length - first - second}, the special tokens alone`,
    })
  const kept = share(first, second, room, strategy)
  const skip = side === 'left' ? [first - kept[0], second - kept[1]] : [0, 0]
  const seen = [0, 0]
  return sequences.flatMap((sequence, i) => {
    if (typeof sequence !== 'number') return [i]
    const at = seen[sequence]++ - skip[sequence]
    return at >= 0 && at < kept[sequence] ? [i] : []
  })
}

/** How many tokens of text and pair stay; `longest_first` as in tokenizers' truncation.rs. */
function share(first: number, second: number, room: number, strategy: Truncation): [number, number] {
  const excess = first + second - room
  if (excess <= 0) return [first, second]
  if (strategy === 'longest_first') {
    const shorter = Math.min(first, second)
    if (2 * shorter > room) {
      const half = Math.floor(room / 2)
      return first > second ? [room - half, half] : [half, room - half]
    }
    return first > second ? [room - second, second] : [first, room - first]
  }
  const target = strategy === 'only_first' ? first : second
  if (target <= excess)
    throw new FettleError({
      place: 'tokenizer.encode',
      found: `${plural(target, 'token')} in the ${strategy === 'only_first' ? 'text' : 'pair'}, of which ${excess} should go`,
      expected: 'more tokens than must be removed',
      cure: "Use truncation 'longest_first' or a larger maxLength.",
    })
  return strategy === 'only_first' ? [first - excess, second] : [first, second - excess]
}
