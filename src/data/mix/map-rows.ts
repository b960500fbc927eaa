import { FettleError, messageOf } from '../../error.ts'
import { describeValue, isJsonObject } from '../../formats/json/index.ts'
import { skipOrThrow, type InvalidRowOptions } from '../report.ts'
import type { RowMap } from '../row-options.ts'
import { formatOrigin, type Row } from '../row.ts'

/**
 * Rows as a program's function makes them of others; those for which it returns null are left out and counted.
 *
 * @throws FettleError that names the row, where the function throws or returns what is no row
 */
export async function* mapRows(
  rows: AsyncIterable<Row>,
  map: RowMap,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  const { report } = options
  for await (const row of rows) {
    let mapped: Row | undefined
    try {
      mapped = await mapRow(row, map)
    } catch (error) {
      skipOrThrow(error, options, row.origin)
      continue
    }
    if (mapped !== undefined) yield mapped
    else if (report !== undefined) report.mappedAway += 1
  }
}

async function mapRow({ value, origin }: Row, map: RowMap): Promise<Row | undefined> {
  const place = `${formatOrigin(origin)}: map`
  const expected =
    'messages, a row such as { messages } or { prompt, completion }, or null to leave the row out'
  let made: unknown
  try {
    made = await map(value, origin)
  } catch (error) {
    if (error instanceof FettleError) throw error
    throw new FettleError(
      { place, found: `the function threw: ${messageOf(error)}`, expected },
      { cause: error },
    )
  }
  if (made === null || made === undefined) return undefined
  if (isJsonObject(made)) return { value: made, origin }
  if (Array.isArray(made) && isJsonObject(made[0])) return { value: { messages: made }, origin }
  throw new FettleError({ place, found: describeValue(made), expected })
}
