import { FettleError } from '../error.ts'
import { describeValue } from '../formats/json/index.ts'

/** Where a record came from: `file:line` for text files, `file#row` for tables. */
export interface Origin {
  file: string
  /** 1-based line of a text file. */
  line?: number
  /** 0-based row of a table. */
  row?: number
  /** Kept for evaluation: `valSize`. */
  heldOut?: true
  /** Which answer of the row it is, where preferences are learned. */
  part?: AnswerPart
  /** By how much the chosen answer of the pair should win, where its row says so. */
  margin?: number
}

/**
 * An answer of a pair, or one that is wanted or not; `mismatched`: that of another row to this one's prompt, by which KTO measures
 * how far the model has moved.
 */
export type AnswerPart = 'chosen' | 'rejected' | 'desirable' | 'undesirable' | 'mismatched'

/** One record of a data file, before its format is known. */
export interface Row {
  value: Record<string, unknown>
  origin: Origin
}

/** `train.jsonl:41` or `train.parquet#40`; of a pair `pairs.jsonl:41 (rejected)`. */
export function formatOrigin({ file, line, row, part }: Origin): string {
  const answer = part === 'chosen' || part === 'rejected' ? ` (${part})` : ''
  if (line !== undefined) return `${file}:${line}${answer}`
  return row === undefined ? file : `${file}#${row}${answer}`
}

/** Rows that a note names. */
const namedRows = 5

/** `pairs.jsonl:4, pairs.jsonl:9`: the first five rows of some, and how many more there are. */
export function formatRows(origins: readonly Origin[]): string {
  const shown = origins.slice(0, namedRows).map((origin) => formatOrigin({ ...origin, part: undefined }))
  const more = origins.length - shown.length
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '')
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
