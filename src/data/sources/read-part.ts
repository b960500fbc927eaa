import { FettleError } from '../../error.ts'
import { parseJson } from '../../formats/index.ts'
import type { InvalidRowOptions } from '../report.ts'
import type { RowOptions } from '../row-options.ts'
import type { Row } from '../row.ts'
import { readJsonRows } from './json-rows.ts'
import type { Input } from './input.ts'
import { extensionsOf, kindOf, type FileKind, type Part } from './parts.ts'
import { sniff } from './sniff.ts'

/**
 * The rows of one file.
 *
 * @throws FettleError that names file and line or row
 */
export async function* readPart(
  part: Part,
  options: RowOptions,
  invalid: InvalidRowOptions,
): AsyncGenerator<Row> {
  const only = part.settings?.onlyColumns
  for await (const input of inputsOf(part, invalid)) {
    const rows = readInput(input, options, invalid)
    if (only === undefined) yield* rows
    else
      for await (const { value, origin } of rows)
        yield {
          value: Object.fromEntries(Object.entries(value).filter(([name]) => only.includes(name))),
          origin,
        }
  }
}

async function* inputsOf(part: Part, options: InvalidRowOptions): AsyncGenerator<Input> {
  const { settings = {}, stream } = part
  if (stream !== undefined) return yield { file: part.name, settings, ...(await sniff(stream)) }
  const path = await part.fetch()
  const kind = part.kind ?? kindOfFile(path)
  if (kind === 'zip') {
    const { openArchive } = await import('./read-archive.ts')
    yield* openArchive(path, settings, options)
  }
  // A pipe has no name that tells.
  else if (kind === undefined) yield { file: path, settings, ...(await sniff(path)) }
  else yield { file: path, kind, settings, bytes: path }
}

/** What the name of a file says that it holds; undefined where it says nothing. */
function kindOfFile(path: string): FileKind | undefined {
  const kind = extensionsOf(path)
    .toReversed()
    .map(kindOf)
    .find((own) => own !== undefined)
  const extension = extensionsOf(path).at(-1)
  if (kind !== undefined || extension === undefined) return kind
  throw new FettleError({
    place: path,
    found: `a .${extension} file`,
    expected: '.jsonl, .json, .parquet, .arrow, .csv, .tsv, .txt or .zip, the texts also as .gz or .zst',
    cure: 'Write one JSON object a line and name the file .jsonl.',
  })
}

/** Most data are JSON. */
const tables = () => import('../../formats/tables/index.ts')

async function* readInput(
  { bytes, file, kind, settings }: Input,
  { messageKeys, columns }: RowOptions,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  switch (kind) {
    case 'parquet':
    case 'arrow': {
      let row = 0
      const { readArrow, readParquet } = await tables()
      const values = kind === 'arrow' ? readArrow(bytes) : readParquet(file)
      for await (const value of values) yield { value, origin: { file, row: row++ } }
      return
    }
    case 'csv': {
      const { readCsv } = await tables()
      const isTabs = extensionsOf(file).some((extension) => extension.toLowerCase() === 'tsv')
      const delimiter = settings.delimiter ?? (isTabs ? '\t' : undefined)
      for await (const { value, line } of readCsv(bytes, { ...settings, delimiter }))
        yield { value: withParsedCells(value, columns, `${file}:${line}`), origin: { file, line } }
      return
    }
    case 'text': {
      const { readTextLines } = await tables()
      for await (const { text, line } of readTextLines(bytes, settings.unit))
        yield { value: { text }, origin: { file, line } }
      return
    }
    case 'json':
      return yield* readJsonRows(bytes, file, messageKeys, options, settings.field)
    case 'zip':
      // Its members are inputs of their own.
      return
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
