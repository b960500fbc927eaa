import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { FettleError, messageOf } from '../error.ts'
import { readJsonl, readTextFile } from '../formats/index.ts'
import { formatOrigin, type Origin, type Row } from './row.ts'

/** How the rows of a source are laid out; `auto` decides by the columns of the first row. */
export type DataFormat = 'messages' | 'sharegpt' | 'prompt_completion' | 'instruct' | 'text' | 'tokens'

/** The columns that formats read, under fettle's names; `columns` says what a file calls them. */
export const columnNames = [
  'messages',
  'conversations',
  'prompt',
  'completion',
  'instruction',
  'input',
  'output',
  'system',
  'tools',
  'text',
  'input_ids',
  'labels',
  'attention_mask',
  'completion_mask',
  'assistant_masks',
] as const

type ColumnName = (typeof columnNames)[number]

/** How to read the rows of a source. */
export interface RowOptions {
  format?: 'auto' | DataFormat | undefined
  /** fettle's column name → the file's: `{ input: 'question', output: 'answer' }`. */
  columns?: { [Name in ColumnName]?: string | undefined } | undefined
  /** The file's role → the template's: `{ bot: 'assistant' }`. */
  roles?: Readonly<Record<string, string>> | undefined
}

/** Where training data comes from: a file, or rows that the program holds or makes. */
export type DataSource = RowOptions &
  (
    | { path: string }
    | {
        rows: Iterable<Readonly<Record<string, unknown>>> | AsyncIterable<Readonly<Record<string, unknown>>>
        /** What errors call these rows (default `data`). */
        name?: string | undefined
      }
  )

/** A source of which only the path was given. */
export function sourceOf(given: string | DataSource): DataSource {
  return typeof given === 'string' ? { path: given } : given
}

/**
 * The rows of a source, one at a time; only a `.json` file is read as a whole.
 *
 * @throws FettleError that names file and line, when the file is not readable or a row is not an object
 */
export async function* readRows(source: DataSource): AsyncGenerator<Row> {
  if ('path' in source) yield* readFileRows(source.path)
  else yield* numbered(source.rows, source.name ?? 'data')
}

async function* readFileRows(path: string): AsyncGenerator<Row> {
  const extension = extname(path).toLowerCase()
  if (['.jsonl', '.ndjson', '.jsonlines'].includes(extension)) {
    for await (const { value, line } of readJsonl(path)) yield toRow(value, { file: path, line })
  } else if (extension === '.json') {
    yield* numbered(await readJsonArray(path), path)
  } else {
    throw new FettleError({
      place: path,
      found: (await isFolder(path))
        ? 'a folder'
        : extension === ''
          ? 'a file name without extension'
          : `a ${extension} file`,
      expected: '.jsonl or .json',
      cure: 'Write one JSON object a line and name the file .jsonl.',
    })
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function* numbered(
  values: Iterable<unknown> | AsyncIterable<unknown>,
  file: string,
): AsyncGenerator<Row> {
  let row = 0
  for await (const value of values) yield toRow(value, { file, row: row++ })
}

async function readJsonArray(path: string): Promise<unknown[]> {
  const text = await readTextFile(path, 'a JSON array of objects')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new FettleError(
      {
        place: path,
        found: text.trim() === '' ? 'an empty file' : messageOf(error),
        expected: 'a JSON array of objects',
        cure: 'If the file has one JSON object a line, name it .jsonl.',
      },
      { cause: error },
    )
  }
  if (Array.isArray(value)) return value
  throw new FettleError({
    place: path,
    found: describeValue(value),
    expected: 'a JSON array of objects',
    cure: 'Put the rows into an array, or one a line into a .jsonl file.',
  })
}

function toRow(value: unknown, origin: Origin): Row {
  if (isRecord(value)) return { value, origin }
  throw new FettleError({
    place: formatOrigin(origin),
    found: describeValue(value),
    expected: 'an object with named columns',
    ...(Array.isArray(value) && origin.line === 1
      ? { cure: 'If the whole file is one JSON list, name it .json.' }
      : {}),
  })
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What kind of value this is, in words for an error message. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'an object'
  const text = JSON.stringify(value)
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text
  return `the ${typeof value} ${shown}`
}
