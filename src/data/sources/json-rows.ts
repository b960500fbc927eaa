import { FettleError } from '../../error.ts'
import { isJsonObject } from '../../formats/json/index.ts'
import { readJsonRecords, type ByteInput } from '../../formats/index.ts'
import { isMessageLike } from '../conversations/message-shape.ts'
import type { InvalidRowOptions } from '../report.ts'
import { columnNames, type MessageKeys } from '../row-options.ts'
import type { Origin, Row } from '../row.ts'
import { listMany } from '../values.ts'
import { refuse, toRow } from './to-row.ts'

/**
 * The rows of JSON, whose layout is told by what it holds: an object a line, a list of objects, objects one behind the other, or
 * one object that holds nothing else than a list of them. A list of messages is a row.
 *
 * @param field  the key under which the rows are
 */
export async function* readJsonRows(
  input: string | ByteInput,
  file: string,
  messageKeys: MessageKeys | undefined,
  options: InvalidRowOptions,
  field?: string,
): AsyncGenerator<Row> {
  const records = readJsonRecords(input, {
    isPartOfOne: (item) => isMessageLike(item, messageKeys),
    ...(options.skipInvalid === true && { onInvalid: (error) => refuse(error, options) }),
  })
  for await (const { value, line, item } of records) {
    const origin: Origin = item === undefined ? { file, line } : { file, row: item }
    const list = field === undefined ? listOfRows(value, messageKeys) : rowsUnder(value, field, file)
    if (list === undefined) yield* toRow(value, origin, options)
    else for (const [row, inner] of list.entries()) yield* toRow(inner, { file, row }, options)
  }
}

/** Where nothing else is in an object than one list of objects, such as `{ "data": [ … ] }`: those. */
function listOfRows(value: unknown, messageKeys: MessageKeys | undefined): unknown[] | undefined {
  if (!isJsonObject(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length > 8 || entries.some(([name]) => columnNames.some((known) => known === name)))
    return undefined
  const lists = entries.filter(([, item]) => typeof item === 'object' && item !== null)
  const [list] = lists.map(([, item]) => item)
  if (lists.length !== 1 || !Array.isArray(list)) return undefined
  if (list.length === 0) return entries.length === 1 ? list : undefined
  return isJsonObject(list[0]) && !isMessageLike(list[0], messageKeys) ? list : undefined
}

function rowsUnder(value: unknown, field: string, file: string): unknown[] {
  const list = isJsonObject(value) ? value[field] : undefined
  if (Array.isArray(list)) return list
  throw new FettleError({
    place: file,
    found: isJsonObject(value) ? `no list under ${field}, but ${listMany(Object.keys(value))}` : 'no object',
    expected: `an object with the rows under ${field}`,
    cure: 'Correct field in README.md.',
  })
}
