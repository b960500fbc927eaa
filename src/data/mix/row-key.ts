import { hash } from 'node:crypto'
import { columnRenamer, readColumns } from '../columns.ts'
import { contentText } from '../content-text.ts'
import { formatOf } from '../conversations/detect-format.ts'
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
    const names = (
      found === undefined ? Object.keys(value) : [...readColumns(found), ...ofPreferences]
    ).filter((name) => !isNothing(value[name]))
    const parts = names
      .toSorted()
      .map((name) => `${JSON.stringify(name)}:${contentText(value[name], messageColumns.has(name))}`)
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

/** They say as much of a row as the columns of its format. */
const ofPreferences = ['label', 'chosen', 'rejected']

const messageColumns = new Set(['messages', 'conversations', 'prompt', 'completion', 'chosen', 'rejected'])
