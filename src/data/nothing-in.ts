import { FettleError } from '../error.ts'
import type { DataReport, SourceReport } from './report.ts'
import { plural } from '../plural.ts'

/**
 * Stops at a source none of whose rows can be used, and where nothing came of all of them.
 *
 * @throws FettleError
 */
export function refuseUseless(found: readonly SourceReport[], report: DataReport, examples: number): void {
  const useless = found.find(({ conversations, invalidRows }) => conversations === 0 && invalidRows > 0)
  if (useless !== undefined) throw nothingIn(useless, report)
  if (examples > 0) return
  if (found.length === 1 && report.invalidRows > 0)
    throw nothingIn({ ...found[0], invalidRows: report.invalidRows }, report)
  throw new FettleError({
    place: found.map(({ name }) => name).join(', '),
    found: `${plural(report.rows, 'row')}, none of which is left: ${leftOut(report)}`,
    expected: 'at least one example',
  })
}

function leftOut({ invalidRows, mappedAway, duplicates }: DataReport): string {
  return `${invalidRows} cannot be used, a function left out ${mappedAway}, ${duplicates} are duplicates`
}

/** What to say of a source that gave nothing to learn from: it has no rows, or all of them were left out. */
export function nothingIn(
  { name, rows, invalidRows }: Pick<SourceReport, 'name' | 'rows' | 'invalidRows'>,
  { invalid }: Pick<DataReport, 'invalid'>,
): FettleError {
  if (rows === 0 || invalidRows === 0)
    return new FettleError({ place: name, found: 'no rows', expected: 'at least one' })
  const why = invalid.find((row) => row.place.startsWith(name))?.reason
  return new FettleError({
    place: name,
    found: `${plural(invalidRows, 'row')}, none of which can be used${why === undefined ? '' : `; the first: ${why}`}`,
    expected: 'at least one that can',
  })
}
