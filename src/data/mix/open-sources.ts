import { FettleError } from '../../error.ts'
import { nothingIn } from '../nothing-in.ts'
import type { DataReport, InvalidRowOptions, SourceReport } from '../report.ts'
import { sourceName, type DataSource } from '../row-options.ts'
import type { Row } from '../row.ts'
import { canRepeat, readRows, resolveFiles } from '../sources/index.ts'
import { createBitSet } from './bit-set.ts'
import { createHashSet } from './hash-set.ts'
import { mapRows } from './map-rows.ts'
import { createRowKey, type RowKey } from './row-key.ts'
import { plural } from '../../plural.ts'

/** A row on its way through the stages. */
export interface OpenedRow {
  row: Row
  /** Number of its source. */
  source: number
  /** What it says, where that is asked for. */
  key: RowKey | undefined
  /** Given a second time, because other sources had more. */
  isRepeated: boolean
}

/** What is done with the rows of each source by itself. */
interface OpeningOptions extends InvalidRowOptions {
  report: DataReport
  /** [source] */
  found: readonly SourceReport[]
  deduplicate: boolean
  /** Rows are told apart by what they say. */
  withKeys: boolean
}

/**
 * What begins a source: its rows, mapped and without duplicates, of its own and of sources before.
 *
 * @throws FettleError (the stream) where a source has no rows, and where a stream would have to be read again
 */
export function createOpening(
  sources: readonly DataSource[],
  options: OpeningOptions,
): (source: number, again: boolean) => AsyncGenerator<OpenedRow> {
  const { deduplicate, withKeys, report } = options
  const seen = createHashSet()
  /** [source] → its rows that are duplicates, by their number, for when it is read again. */
  const duplicates = sources.map(createBitSet)
  const isDuplicate = (source: number, row: number, key: RowKey | undefined, again: boolean): boolean => {
    if (again) return duplicates[source].has(row)
    if (key === undefined || seen.add(key[0], key[1])) return false
    duplicates[source].add(row)
    report.duplicates += 1
    return true
  }
  return async function* (source, again) {
    const given = sources[source]
    if (again) await refuseRepeat(given)
    // What is wrong with its rows was told the first time.
    const reading: InvalidRowOptions = { ...options, report: again ? undefined : report }
    const read = readRows(given, reading)
    const rows = given.map === undefined ? read : mapRows(read, given.map, reading)
    const keyOf = withKeys ? createRowKey(given) : undefined
    const found = options.found[source]
    let number = 0
    let isEmpty = true
    for await (const row of again ? rows : counted(rows, report, found)) {
      const key = keyOf?.(row)
      if (deduplicate && isDuplicate(source, number++, key, again)) continue
      isEmpty = false
      yield { row, source, key, isRepeated: again }
    }
    if (again) return
    if (found.rows === 0) throw nothingIn(found, report)
    // A mixture would wait for it, or end with it.
    if (isEmpty && found.weight !== undefined) throw nothingLeft(found, report)
  }
}

/** Counts for a source what the report counts for all of them: only one is read at a time. */
async function* counted(
  rows: AsyncIterable<Row>,
  report: DataReport,
  found: SourceReport,
): AsyncGenerator<Row> {
  let before = { rows: report.rows, invalidRows: report.invalidRows }
  const count = (): void => {
    found.rows += report.rows - before.rows
    found.invalidRows += report.invalidRows - before.invalidRows
  }
  for await (const row of rows) {
    count()
    yield row
    before = { rows: report.rows, invalidRows: report.invalidRows }
  }
  count()
}

function nothingLeft(found: SourceReport, report: DataReport): FettleError {
  if (found.rows === found.invalidRows) return nothingIn(found, report)
  return new FettleError({
    place: found.name,
    found: `${plural(found.rows, 'row')}, all left out as duplicates, by its function or as unusable`,
    expected: 'at least one for a mixture by weight',
  })
}

async function refuseRepeat(source: DataSource): Promise<void> {
  if ('rows' in source ? canRepeat(source.rows) : (await resolveFiles(source)) !== undefined) return
  throw new FettleError({
    place: sourceName(source),
    found: 'rows that can be read once, and all_exhausted reads short sources again',
    expected: 'a file, a list, or a function that begins the rows anew',
    cure: 'Set stopping_strategy: all_exhausted_without_replacement, or write the rows to a file.',
  })
}
