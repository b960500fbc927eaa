import { hash } from 'node:crypto'
import { JsonFloat, keysOf } from '../../formats/json/index.ts'
import { columnRenamer, readColumns } from '../columns.ts'
import { formatOf } from '../detect-format.ts'
import type { RowOptions } from '../row-options.ts'
import type { Row } from '../row.ts'
import { isNothing } from '../values.ts'

/** What tells a row's content from that of others: four numbers of 32 bits of its SHA-256. */
export type RowKey = readonly [number, number, number, number]

/**
 * The key of rows of a source. Rows that say the same have the same key: columns that the format does not read, the order of columns
 * and that of a message's keys are left out. Undefined for a row that has none of the columns.
 */
export function createRowKey({ columns, format, messageKeys }: RowOptions): (row: Row) => RowKey | undefined {
  const rename = columnRenamer(columns)
  const given = format === 'auto' ? undefined : format
  return (row) => {
    const renamed = renamedOrNone(row, rename)
    if (renamed === undefined) return undefined
    const found = given ?? formatOf(renamed, messageKeys)
    const { value } = renamed
    const names = (found === undefined ? Object.keys(value) : readColumns(found)).filter(
      (name) => !isNothing(value[name]),
    )
    const parts = names
      .toSorted()
      .map((name) => `${JSON.stringify(name)}:${textOf(value[name], messageColumns.has(name))}`)
    const digest = hash('sha256', `${found}{${parts.join()}}`, 'buffer')
    return [digest.readUInt32BE(0), digest.readUInt32BE(4), digest.readUInt32BE(8), digest.readUInt32BE(12)]
  }
}

/** What is wrong with a row is said where it becomes a conversation. */
function renamedOrNone(row: Row, rename: (row: Row) => Row): Row | undefined {
  try {
    return rename(row)
  } catch {
    return undefined
  }
}

const messageColumns = new Set(['messages', 'conversations', 'prompt', 'completion'])

/**
 * A value as text that is the same for equal values only; like JSON, with 1 and 1.0 and integers of any size apart.
 *
 * @param isMessages  the keys of its objects have no order; that of a tool's schema and of arguments, which templates print, counts
 */
function textOf(value: unknown, isMessages: boolean): string {
  if (value === undefined) return 'null'
  if (typeof value === 'bigint') return String(value)
  if (value instanceof JsonFloat) return `${value.value}f`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map((item) => textOf(item, isMessages)).join()}]`
  const keys = isMessages ? Object.keys(value).toSorted() : keysOf(value)
  return `{${keys.map((key) => `${JSON.stringify(key)}:${textOf(Reflect.get(value, key), false)}`).join()}}`
}
