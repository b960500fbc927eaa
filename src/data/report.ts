import { FettleError } from '../error.ts'
import type { DataFormat } from './row-options.ts'
import { formatOrigin, type Origin } from './row.ts'

/** A row that cannot be used, and why. */
export interface InvalidRow {
  place: string
  reason: string
}

/** What was found in one source. */
export interface SourceReport {
  name: string
  /** As it was found by the first row, or said; undefined before that. */
  format?: DataFormat
  /** How it is mixed with the others, where it has a weight. */
  weight?: number
  /** Its rows that were read, those of them that cannot be used, and those that became conversations, repeated ones too. */
  rows: number
  invalidRows: number
  conversations: number
  columns: {
    /** The file's column → the one of fettle's as which it is read. */
    read: Record<string, string>
    /** The file's columns that say something and that nobody reads. */
    unread: string[]
  }
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
  /** Rows that a function left out. */
  mappedAway: number
  /** Rows that were left out because an earlier one says the same: `deduplicate`. */
  duplicates: number
  /** Rows that were kept for evaluation: `valSize`. */
  heldOut: number
  /** Rows that were given again, because others had more: `all_exhausted`. */
  repeated: number
  /** What was found in each source, in their order. */
  sources: SourceReport[]
}

/** Rows that a report lists; the count is of all. */
const listedRows = 20

/** A report of which nothing is written yet. */
export function createDataReport(): DataReport {
  return {
    rows: 0,
    invalidRows: 0,
    invalid: [],
    notes: [],
    mappedAway: 0,
    duplicates: 0,
    heldOut: 0,
    repeated: 0,
    sources: [],
  }
}

/** What was found in a source that was not looked at yet. */
export function createSourceReport(name: string): SourceReport {
  return { name, rows: 0, invalidRows: 0, conversations: 0, columns: { read: {}, unread: [] } }
}

/** Notes something once. */
export function note(report: DataReport | undefined, text: string): void {
  if (report !== undefined && !report.notes.includes(text)) report.notes.push(text)
}

const firstMark = '; the first is '

/** Notes what may be so of many rows, once, with the first of them. */
export function noteFirst(report: DataReport | undefined, about: string, first: string): void {
  if (report?.notes.some((text) => text.startsWith(about + firstMark)) === false)
    note(report, about + firstMark + first)
}

/** What a report counts. */
const counts = ['rows', 'invalidRows', 'mappedAway', 'duplicates', 'heldOut', 'repeated'] as const

/** Adds what happened later to a report, as if it had been written there. What is known of sources stays what it is. */
export function addReport(to: DataReport, later: DataReport): void {
  for (const count of counts) to[count] += later[count]
  to.invalid.push(...later.invalid.slice(0, Math.max(0, listedRows - to.invalid.length)))
  for (const text of later.notes) {
    const [about, ...rest] = text.split(firstMark)
    if (rest.length === 0) note(to, text)
    else noteFirst(to, about, rest.join(firstMark))
  }
}

/** What a report counts and lists, which is empty afterwards. */
export function takeReport(report: DataReport): DataReport {
  const taken = { ...report, invalid: report.invalid.splice(0), notes: report.notes.splice(0) }
  for (const count of counts) report[count] = 0
  return taken
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
