import { FettleError } from '../../error.ts'
import {
  parseJson,
  readArrow,
  readCsv,
  readParquet,
  readTextLines,
  type ByteInput,
} from '../../formats/index.ts'
import type { InvalidRowOptions } from '../report.ts'
import type { RowOptions } from '../row-options.ts'
import type { Row } from '../row.ts'
import { readJsonRows } from './json-rows.ts'
import { extensionsOf, kindOf, type FileKind, type Part, type ReaderSettings } from './parts.ts'

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
  const path = await part.fetch()
  const kind = part.kind ?? kindOfFile(path)
  const rows = readInput(path, path, kind, part.settings ?? {}, options, invalid)
  const only = part.settings?.onlyColumns
  if (only === undefined) return yield* rows
  for await (const { value, origin } of rows)
    yield { value: Object.fromEntries(Object.entries(value).filter(([name]) => only.includes(name))), origin }
}

/** What the name of a file says that it holds. */
function kindOfFile(path: string): FileKind {
  const kind = extensionsOf(path)
    .toReversed()
    .map(kindOf)
    .find((own) => own !== undefined)
  if (kind !== undefined) return kind
  const extension = extensionsOf(path).at(-1)
  // A pipe has no name that tells.
  if (extension === undefined) return 'json'
  throw new FettleError({
    place: path,
    found: `a .${extension} file`,
    expected: '.jsonl, .json, .parquet, .arrow, .csv, .tsv or .txt, the texts also as .gz or .zst',
    cure: 'Write one JSON object a line and name the file .jsonl.',
  })
}

async function* readInput(
  input: string | ByteInput,
  file: string,
  kind: FileKind,
  settings: ReaderSettings,
  { messageKeys, columns }: RowOptions,
  options: InvalidRowOptions,
): AsyncGenerator<Row> {
  switch (kind) {
    case 'parquet':
    case 'arrow': {
      let row = 0
      const values = kind === 'arrow' ? readArrow(input) : readParquet(file)
      for await (const value of values) yield { value, origin: { file, row: row++ } }
      return
    }
    case 'csv': {
      const isTabs = extensionsOf(file).some((extension) => extension.toLowerCase() === 'tsv')
      const delimiter = settings.delimiter ?? (isTabs ? '\t' : undefined)
      for await (const { value, line } of readCsv(input, { ...settings, delimiter }))
        yield { value: withParsedCells(value, columns, `${file}:${line}`), origin: { file, line } }
      return
    }
    case 'text':
      for await (const { text, line } of readTextLines(input, settings.unit))
        yield { value: { text }, origin: { file, line } }
      return
    case 'json':
      return yield* readJsonRows(input, file, messageKeys, options, settings.field)
    case 'zip':
      throw new FettleError({
        place: file,
        found: `a .${kind} file`,
        expected: '.jsonl, .json, .parquet, .arrow, .csv, .tsv or .txt',
      })
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
