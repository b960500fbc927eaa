import { FettleError } from '../error.ts'
import { formatOrigin, type Origin } from './row.ts'

/** A row that cannot be used, and why. */
export interface InvalidRow {
  place: string
  reason: string
}

/** What happened to the rows of some data besides becoming examples; readers write it as they go. */
export interface DataReport {
  /** Rows that were read, those that cannot be used too. */
  rows: number
  /** Rows that were left out because they cannot be used: `skipInvalid`. */
  invalidRows: number
  /** The first of them. */
  invalid: InvalidRow[]
  /** What else is worth knowing, each once: columns that nobody reads, tokens across a border. */
  notes: string[]
}

/** Rows that a report lists; the count is of all. */
const listedRows = 20

/** A report of which nothing is written yet. */
export function createDataReport(): DataReport {
  return { rows: 0, invalidRows: 0, invalid: [], notes: [] }
}

/** Notes something once. */
export function note(report: DataReport | undefined, text: string): void {
  if (report !== undefined && !report.notes.includes(text)) report.notes.push(text)
}

/** How rows that cannot be used are treated. */
export interface InvalidRowOptions {
  /** Leave them out and go on, instead of stopping at the first (default false). */
  skipInvalid?: boolean | undefined
  /** Is told what happened to the rows. */
  report?: DataReport | undefined
}

/**
 * Leaves a row out where that was asked for.
 *
 * @throws the error, where it was not, or where it is not about the row
 */
export function skipOrThrow(
  error: unknown,
  { skipInvalid, report }: InvalidRowOptions,
  origin?: Origin,
): void {
  if (skipInvalid !== true || !(error instanceof FettleError)) throw error
  if (report === undefined) return
  report.invalidRows += 1
  if (report.invalid.length >= listedRows) return
  const [{ place, found, expected }] = error.problems
  const row = origin === undefined ? place : formatOrigin(origin)
  // What stands behind the row in the place, such as a message, says more of the reason.
  const within = place.startsWith(`${row}: `) ? `${place.slice(row.length + 2)}: ` : ''
  const reason = expected === undefined ? found : `${found}; expected ${expected}`
  report.invalid.push({ place: row, reason: within + reason })
}
