import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { FettleError } from '../../error.ts'
import {
  parseJson,
  readCsv,
  readJsonRecords,
  readParquet,
  readTextLines,
  withoutCompression,
} from '../../formats/index.ts'
import { isMessageLike } from '../message-shape.ts'
import { skipOrThrow, type InvalidRowOptions } from '../report.ts'
import { openRows } from './open-rows.ts'
import {
  columnNames,
  type DataSource,
  type GivenRows,
  type MessageKeys,
  type RowOptions,
} from '../row-options.ts'
import { formatOrigin, type Origin, type Row } from '../row.ts'
import { describeValue, isRecord } from '../values.ts'

/**
 * The rows of a source, one at a time: of a Parquet file, a table of texts (CSV, TSV), a text file, each line of which is a row, or of
 * JSON, whose layout is told by what it holds: an object a line, a list of objects, objects one behind the other, or one object that
 * holds nothing else than a list of them. A list of messages is a row. Texts may be compressed (gzip, zstd).
 *
 * @throws FettleError that names file and line, when the file is not readable or a row is not an object
 */
export async function* readRows(source: DataSource, options: InvalidRowOptions = {}): AsyncGenerator<Row> {
  const rows =
    'path' in source
      ? readFileRows(source.path, source, options)
      : readGivenRows(source.rows, source.name ?? 'data', options)
  for await (const row of rows) {
    if (options.report !== undefined) options.report.rows += 1
    yield row
  }
}

async function* readFileRows(
  path: string,
  { messageKeys, columns }: RowOptions,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  const extension = extname(withoutCompression(path)).toLowerCase()
  switch (extension) {
    case '.parquet': {
      let row = 0
      for await (const value of readParquet(path)) yield { value, origin: { file: path, row: row++ } }
      return
    }
    case '.csv':
    case '.tsv':
      for await (const { value, line } of readCsv(path, extension === '.tsv' ? '\t' : undefined))
        yield { value: withParsedCells(value, columns, `${path}:${line}`), origin: { file: path, line } }
      return
    case '.txt':
      for await (const { text, line } of readTextLines(path))
        yield { value: { text }, origin: { file: path, line } }
      return
    case '.jsonl':
    case '.ndjson':
    case '.jsonlines':
    case '.json':
      return yield* readJsonRows(path, messageKeys, options)
  }
  const isDirectory = await isFolder(path)
  // A pipe has no name that tells.
  if (extension === '' && !isDirectory) return yield* readJsonRows(path, messageKeys, options)
  throw new FettleError({
    place: path,
    found: isDirectory ? 'a folder' : `a ${extension} file`,
    expected: '.jsonl, .json, .parquet, .csv, .tsv or .txt, the texts also as .gz or .zst',
    cure: 'Write one JSON object a line and name the file .jsonl.',
  })
}

async function* readJsonRows(
  path: string,
  messageKeys: MessageKeys | undefined,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  const records = readJsonRecords(path, {
    isPartOfOne: (item) => isMessageLike(item, messageKeys),
    ...(options.skipInvalid === true && { onInvalid: (error) => refuse(error, options) }),
  })
  for await (const { value, line, item } of records) {
    const origin: Origin = item === undefined ? { file: path, line } : { file: path, row: item }
    const list = listOfRows(value, messageKeys)
    if (list === undefined) yield* toRow(value, origin, options)
    else for (const [row, inner] of list.entries()) yield* toRow(inner, { file: path, row }, options)
  }
}

/** Columns that hold lists or objects, never a text to learn. */
const structuredColumns = [
  'messages',
  'conversations',
  'history',
  'tools',
  'functions',
  'chat_template_kwargs',
  'input_ids',
  'labels',
  'attention_mask',
  'completion_mask',
  'assistant_masks',
] as const

/** A table of texts has no lists: in these columns they are written as JSON. */
function withParsedCells(
  row: Readonly<Record<string, string>>,
  columns: RowOptions['columns'],
  place: string,
): Record<string, unknown> {
  const parsed: Record<string, unknown> = { ...row }
  for (const column of structuredColumns) {
    const name = columns?.[column] ?? column
    const cell = row[name]
    if (cell !== undefined) parsed[name] = cell === '' ? null : parseJson(cell, `${place}: ${name}`)
  }
  return parsed
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function* readGivenRows(
  values: GivenRows,
  file: string,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  let row = 0
  for await (const value of openRows(values, file)) yield* toRow(value, { file, row: row++ }, options)
}

/** Where nothing else is in an object than one list of objects, such as `{ "data": [ … ] }`: those. */
function listOfRows(value: unknown, messageKeys: MessageKeys | undefined): unknown[] | undefined {
  if (!isRecord(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length > 8 || entries.some(([name]) => columnNames.some((known) => known === name)))
    return undefined
  const lists = entries.filter(([, item]) => typeof item === 'object' && item !== null)
  const [list] = lists.map(([, item]) => item)
  if (lists.length !== 1 || !Array.isArray(list)) return undefined
  if (list.length === 0) return entries.length === 1 ? list : undefined
  return isRecord(list[0]) && !isMessageLike(list[0], messageKeys) ? list : undefined
}

function* toRow(value: unknown, origin: Origin, options: InvalidRowOptions): Generator<Row> {
  if (isRecord(value)) return yield { value, origin }
  // A conversation may be a row by itself, without a column around it.
  if (Array.isArray(value) && isRecord(value[0])) return yield { value: { messages: value }, origin }
  refuse(
    new FettleError({
      place: formatOrigin(origin),
      found: describeValue(value),
      expected: 'an object with named columns',
    }),
    options,
  )
}

function refuse(error: FettleError, options: InvalidRowOptions): void {
  skipOrThrow(error, options)
  if (options.report !== undefined) options.report.rows += 1
}
