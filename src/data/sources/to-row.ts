import { FettleError } from '../../error.ts'
import { describeValue, isJsonObject } from '../../formats/json/index.ts'
import { skipOrThrow, type InvalidRowOptions } from '../report.ts'
import { formatOrigin, type Origin, type Row } from '../row.ts'

/** A value as a row, where it can be one; what cannot is refused. */
export function* toRow(value: unknown, origin: Origin, options: InvalidRowOptions): Generator<Row> {
  if (isJsonObject(value)) return yield { value, origin }
  // A conversation may be a row by itself, without a column around it.
  if (Array.isArray(value) && isJsonObject(value[0])) return yield { value: { messages: value }, origin }
  refuse(
    new FettleError({
      place: formatOrigin(origin),
      found: describeValue(value),
      expected: 'an object with named columns',
    }),
    options,
  )
}

/** Counts a row that cannot be used. */
export function refuse(error: FettleError, options: InvalidRowOptions): void {
  skipOrThrow(error, options)
  if (options.report !== undefined) options.report.rows += 1
}
