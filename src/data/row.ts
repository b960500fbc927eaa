import { FettleError } from '../error.ts'
import { describeValue } from './values.ts'

/** Where a record came from: `file:line` for text files, `file#row` for tables. */
export interface Origin {
  file: string
  /** 1-based line of a text file. */
  line?: number
  /** 0-based row of a table. */
  row?: number
  /** Kept for evaluation: `valSize`. */
  heldOut?: true
}

/** One record of a data file, before its format is known. */
export interface Row {
  value: Record<string, unknown>
  origin: Origin
}

/** `train.jsonl:41` or `train.parquet#40`. */
export function formatOrigin({ file, line, row }: Origin): string {
  if (line !== undefined) return `${file}:${line}`
  return row === undefined ? file : `${file}#${row}`
}

/**
 * A column that holds a text; only a prompt may be empty.
 *
 * @throws FettleError
 */
export function readText({ value, origin }: Row, column: string): string {
  const text = value[column]
  if (typeof text === 'string' && (text !== '' || column === 'prompt')) return text
  throw new FettleError({
    place: formatOrigin(origin),
    found: `${column} is ${text === '' ? 'empty' : describeValue(text)}`,
    expected: 'a text',
  })
}
