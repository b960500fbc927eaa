import { FettleError } from '../../error.ts'
import { note, type InvalidRowOptions } from '../report.ts'
import type { DataSource, GivenRows, RowOptions } from '../row-options.ts'
import type { Row } from '../row.ts'
import { openRows } from './open-rows.ts'
import { openSource, type Selection } from './open-source.ts'
import type { Part } from './parts.ts'
import { readPart } from './read-part.ts'
import { bordersOf, needsCount } from './splits.ts'
import { toRow } from './to-row.ts'

/**
 * The rows of a source, one at a time: of files of any kind, alone, in a folder or an archive, each told by its name, of the splits
 * that were asked for; or those that a program holds. Texts may be compressed.
 *
 * @throws FettleError that names file and line, when the file is not readable or a row is not an object
 */
export async function* readRows(source: DataSource, options: InvalidRowOptions = {}): AsyncGenerator<Row> {
  const rows =
    'path' in source
      ? readSelections(await openSource(source), source, options)
      : readGivenRows(source.rows, source.name ?? 'data', options)
  for await (const row of rows) {
    if (options.report !== undefined) options.report.rows += 1
    yield row
  }
}

async function* readSelections(
  selections: readonly Selection[],
  source: RowOptions,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  for (const { data, slices } of selections) {
    for (const text of data.notes) note(options.report, text)
    for (const slice of slices) {
      const parts = data.splits.get(slice.split) ?? []
      const count = needsCount(slice) ? await countRows(parts, source) : Number.POSITIVE_INFINITY
      yield* readSlice(parts, bordersOf(slice, count, data.name), source, options)
    }
  }
}

async function* readSlice(
  parts: readonly Part[],
  { from, to }: { from: number; to: number },
  source: RowOptions,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  let row = 0
  for (const part of parts) {
    if (row >= to) return
    for await (const read of readPart(part, source, options)) {
      if (row >= from) yield read
      row += 1
      if (row >= to) return
    }
  }
}

/** Rows of some files, which are read for it; those that cannot be used are left out of the count, as they are of the rows. */
async function countRows(parts: readonly Part[], source: RowOptions): Promise<number> {
  const once = parts.find(({ stream }) => stream !== undefined)
  if (once !== undefined)
    throw new FettleError({
      place: once.name,
      found: 'a slice for which the rows have to be counted first',
      expected: 'a slice by row numbers from the beginning, such as train[:1000]',
      cure: 'Write the rows to a file, and give its path.',
    })
  let count = 0
  for (const part of parts) for await (const _ of readPart(part, source, { skipInvalid: true })) count += 1
  return count
}

async function* readGivenRows(
  values: GivenRows,
  file: string,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  let row = 0
  for await (const value of openRows(values, file)) yield* toRow(value, { file, row: row++ }, options)
}
