import type { Cursor } from './cursor.ts'
import type { RepeatMode } from './syntax.ts'

export interface Quantifier {
  min: number
  max: number
  mode: RepeatMode
}

/** How often a part may be repeated at all; Oniguruma's limit. */
const maxCount = 100_000

/** A quantifier, or nothing where there is none. */
export function readQuantifier(cursor: Cursor): Quantifier | undefined {
  const sign = cursor.match(/^[*+?]/)?.[0]
  if (sign !== undefined) {
    const counts = { min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Infinity }
    return { ...counts, mode: cursor.take('+') ? 'possessive' : cursor.take('?') ? 'lazy' : 'greedy' }
  }
  const braces = cursor.match(/^\{(?:(\d+)(?:(,)(\d*))?|,(\d+))\}/)
  if (braces === undefined) return undefined
  const [, least = '0', comma, most, only] = braces
  const min = Number(least)
  const max =
    only === undefined ? (comma === undefined ? min : most === '' ? Infinity : Number(most)) : Number(only)
  if (min > maxCount || (max > maxCount && max !== Infinity))
    throw cursor.refuse(`a repetition of more than ${maxCount}`)
  if (min > max) throw cursor.refuse('a repetition of more than its most')
  const isPython = cursor.dialect === 'python'
  // Oniguruma reads `{2}?` as `(?:{2})?`, and `{1,2}+` as `(?:{1,2})+`.
  const isLazy = (isPython || min !== max) && cursor.take('?')
  return { min, max, mode: isLazy ? 'lazy' : isPython && cursor.take('+') ? 'possessive' : 'greedy' }
}
