import { FettleError } from '../../error.ts'
import { plural } from '../../plural.ts'

/*
 * Splits and slices of them as `datasets` writes them (arrow_reader.py): train, train[:1000], train[10%:20%], train[-100:],
 * train[:10%](pct1_dropremainder), train+validation.
 */

/** Rows of one split. */
export interface SplitSlice {
  split: string
  from?: number
  to?: number
  /** Whether the borders are hundredths of the split. */
  isPercent: boolean
  /** Hundredths are all of one size, and what is left over is dropped. */
  dropsRemainder: boolean
}

const slice =
  /^([\p{L}\p{N}_]+(?:\.[\p{L}\p{N}_]+)*)(?:\[(?:(-?[\d_]+)(%)?)?:(?:(-?[\d_]+)(%)?)?\])?(?:\(([^)]*)\))?$/u
const expected = 'train, train[:1000], train[10%:20%], train[-100:] or train+validation'

const loose = String.raw`[\p{L}\p{N}_.-]+(?:\[[^\]]*\])?(?:\([^)]*\))?`
const suffix = new RegExp(`^${loose}(?:\\s*\\+\\s*${loose})*$`, 'u')

/** A path and what looks like splits behind one of its colons; undefined where nothing does. */
export function partSuffix(path: string): { path: string; split: string } | undefined {
  for (let colon = path.indexOf(':', 1); colon > 0; colon = path.indexOf(':', colon + 1)) {
    const split = path.slice(colon + 1)
    if (suffix.test(split)) return { path: path.slice(0, colon), split }
  }
  return undefined
}

/**
 * Reads splits and slices.
 *
 * @param place  for errors
 * @throws FettleError that says what is wrong in it
 */
export function parseSplits(text: string, place: string): SplitSlice[] {
  const slices = text.split(/\s*\+\s*/).map((part): SplitSlice => {
    const [, split, from, fromPercent, to, toPercent, rounding] = slice.exec(part.trim()) ?? []
    if (split === undefined) throw new FettleError({ place, found: `the split '${part.trim()}'`, expected })
    const isPercent = fromPercent !== undefined || toPercent !== undefined
    if (rounding !== undefined && !(isPercent && ['closest', 'pct1_dropremainder'].includes(rounding)))
      throw new FettleError({
        place,
        found: `the rounding (${rounding})`,
        expected: 'closest or pct1_dropremainder, behind a slice in %',
      })
    const border = (digits: string | undefined): number | undefined => {
      if (digits === undefined) return undefined
      const value = Number(digits.replaceAll('_', ''))
      if (!Number.isSafeInteger(value) || (isPercent && Math.abs(value) > 100))
        throw new FettleError({
          place,
          found: `the border ${digits} in '${part.trim()}'`,
          expected: isPercent ? 'at most 100%' : 'a whole number',
        })
      return value
    }
    const first = border(from)
    const last = border(to)
    return {
      split,
      isPercent,
      dropsRemainder: rounding === 'pct1_dropremainder',
      ...(first !== undefined && { from: first }),
      ...(last !== undefined && { to: last }),
    }
  })
  return slices
}

/** Whether the rows of a split have to be counted before its slice is known. */
export function needsCount({ from = 0, to = 0, isPercent }: SplitSlice): boolean {
  return isPercent || from < 0 || to < 0
}

/**
 * The rows of a slice, [from, to).
 *
 * @param count  rows of the split; Infinity where the slice does not depend on them
 * @throws FettleError where hundredths of a size are asked of fewer than a hundred rows
 */
export function bordersOf(
  { split, from, to, isPercent, dropsRemainder }: SplitSlice,
  count: number,
  place: string,
): { from: number; to: number } {
  if (dropsRemainder && count < 100)
    throw new FettleError({
      place,
      found: `${plural(count, 'row')} in ${split}`,
      expected: 'at least 100 for pct1_dropremainder',
      cure: 'Leave the rounding out.',
    })
  const absolute = (border: number): number => {
    if (!isPercent) return border
    return dropsRemainder ? border * Math.trunc(count / 100) : roundHalfToEven((border * count) / 100)
  }
  const within = (border: number): number =>
    Math.min(border < 0 ? Math.max(count + border, 0) : border, count)
  return {
    from: from === undefined ? 0 : within(absolute(from)),
    to: to === undefined ? count : within(absolute(to)),
  }
}

/** As Python rounds. */
function roundHalfToEven(value: number): number {
  const down = Math.floor(value)
  if (value - down !== 0.5) return Math.round(value)
  return down % 2 === 0 ? down : down + 1
}
