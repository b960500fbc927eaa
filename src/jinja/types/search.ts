import { Fault } from '../fault.ts'
import { indexArgument } from './numbers.ts'
import { codePointLength, utf16Offset } from './text.ts'
import { bare, type Value } from './values.ts'

/** The UTF-16 window of `start` and `end` arguments, which count code points, from the end when negative. */
function windowOf(
  value: string,
  start: Value | undefined,
  end: Value | undefined,
): { from: number; to: number; valid: boolean } {
  const length = codePointLength(value)
  const clamp = (given: Value | undefined, otherwise: number): number => {
    if (given === undefined || bare(given) === null) return otherwise
    const index = indexArgument(given)
    return index < 0 ? Math.max(0, index + length) : index
  }
  const first = clamp(start, 0)
  const last = Math.min(length, clamp(end, length))
  return {
    from: utf16Offset(value, Math.min(first, length)),
    to: utf16Offset(value, last),
    valid: first <= last,
  }
}

type Bounds = readonly [start: Value | undefined, end: Value | undefined]

/** Python's find and rfind: the code point index, or -1. */
export function findText(value: string, wanted: string, [start, end]: Bounds, fromRight: boolean): number {
  const { from, to, valid } = windowOf(value, start, end)
  if (!valid) return -1
  const part = value.slice(from, to)
  const index = fromRight ? part.lastIndexOf(wanted) : part.indexOf(wanted)
  return index === -1 ? -1 : codePointLength(value.slice(0, from + index))
}

/** Python's index: a find that must succeed. */
export function indexOrFail(index: number): number {
  if (index === -1) throw new Fault('ValueError', 'substring not found')
  return index
}

/** Python's count: occurrences that do not overlap. */
export function countText(value: string, wanted: string, [start, end]: Bounds): number {
  const { from, to, valid } = windowOf(value, start, end)
  if (!valid) return 0
  const part = value.slice(from, to)
  return wanted === '' ? codePointLength(part) + 1 : part.split(wanted).length - 1
}

/** Python's startswith and endswith, for any of several texts. */
export function hasAffix(
  value: string,
  wanted: readonly string[],
  [start, end]: Bounds,
  side: 'startswith' | 'endswith',
): boolean {
  const { from, to, valid } = windowOf(value, start, end)
  const part = value.slice(from, to)
  return wanted.some((text) => valid && (side === 'startswith' ? part.startsWith(text) : part.endsWith(text)))
}
