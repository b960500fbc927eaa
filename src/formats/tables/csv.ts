import { FettleError } from '../../error.ts'
import { refuseWideText } from '../foreign/index.ts'
import { explainUnreadable } from '../text.ts'
import { placeOf, readBytes, type ByteInput } from './bytes.ts'

/** A row of a table by its columns, and where it begins. */
export interface TableRow {
  value: Record<string, string>
  /** 1-based. */
  line: number
}

/** How a table of texts is written, where that differs from what is found. */
export interface TableSettings {
  /** What stands between cells; by default what the first line has most of. */
  delimiter?: string | undefined
  /** What the columns are called. */
  columnNames?: readonly string[] | undefined
  /** Whether the first line names the columns; by default where nothing else does. */
  hasHeader?: boolean | undefined
  /** What cells are quoted with (default "). */
  quote?: string | undefined
  /** Lines before the table. */
  skippedLines?: number | undefined
}

const delimiters = [',', ';', '\t', '|'] as const

/**
 * The rows of a table of texts, the first of which names the columns. Quoted cells may hold line ends.
 * Source: https://www.rfc-editor.org/rfc/rfc4180
 *
 * @throws FettleError `file:line: …`, when the file is not UTF-8, or a row has other columns than the first
 */
export async function* readCsv(
  input: string | ByteInput,
  settings: TableSettings = {},
): AsyncGenerator<TableRow> {
  const chunks = withoutLines(decoded(input), settings.skippedLines ?? 0)
  try {
    yield* rowsOf(chunks, placeOf(input), settings)
  } finally {
    // Closes the file, also where nobody reads to the end.
    await chunks.return(undefined)
  }
}

async function* rowsOf(
  chunks: AsyncGenerator<string>,
  path: string,
  settings: TableSettings,
): AsyncGenerator<TableRow> {
  const { parse } = await import('csv-parse')
  const { columnNames, skippedLines = 0, hasHeader = columnNames === undefined } = settings
  const { value: start = '' } = await chunks.next()
  const names = columnNames && checkNames([...columnNames], path)
  const parser = parse({
    delimiter: settings.delimiter ?? delimiterOf(start),
    columns: hasHeader
      ? (found: string[]) => names ?? checkNames(found, `${path}:${skippedLines + 1}`)
      : (names ?? false),
    quote: settings.quote ?? '"',
    escape: settings.quote ?? '"',
    bom: true,
    raw: true,
    skip_empty_lines: true,
  })
  const feed = async (): Promise<void> => {
    try {
      parser.write(start)
      for await (const chunk of chunks) {
        if (parser.destroyed) return
        if (!parser.write(chunk))
          await new Promise((resolve) => parser.once('drain', resolve).once('close', resolve))
      }
      parser.end()
    } catch (error) {
      parser.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }
  const fed = feed()
  // The parser's own count takes a carriage return in a cell for a line.
  let line = skippedLines + (hasHeader ? 2 : 1)
  try {
    for await (const { record, raw } of parser as AsyncIterable<{ record: TableRow['value']; raw: string }>) {
      const [skipped] = /^[\r\n]*/.exec(raw) ?? ['']
      // Without names the cells are numbered.
      yield { value: { ...record }, line: line + newlines(skipped) }
      line += newlines(raw)
    }
  } catch (error) {
    throw explained(path, error, skippedLines)
  } finally {
    parser.destroy()
    await fed
  }
}

async function* withoutLines(chunks: AsyncIterable<string>, count: number): AsyncGenerator<string> {
  let left = count
  for await (const chunk of chunks) {
    let at = 0
    for (; left > 0; left -= 1) {
      const end = chunk.indexOf('\n', at)
      at = end < 0 ? chunk.length : end + 1
      if (end < 0) break
    }
    if (left === 0) yield at === 0 ? chunk : chunk.slice(at)
  }
}

/** Pieces of text; a character that is cut in two is put together. */
async function* decoded(input: string | ByteInput): AsyncGenerator<string> {
  const path = placeOf(input)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decode = (bytes?: Buffer): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (error) {
      throw new FettleError(
        {
          place: path,
          found: 'bytes that are not UTF-8',
          expected: 'UTF-8',
          cure: 'Convert the file to UTF-8, for instance with iconv.',
        },
        { cause: error },
      )
    }
  }
  let isStart = true
  for await (const bytes of readBytes(input, 'a table of texts')) {
    if (isStart) refuseWideText(bytes, path)
    isStart = false
    yield decode(bytes)
  }
  yield decode()
}

const newlines = (text: string): number => text.split('\n').length - 1

function delimiterOf(start: string): string {
  // What stands in quotes parts nothing.
  const [line] = start.replaceAll(/"[^"]*"/g, '').split(/\r?\n/, 1)
  const counts = delimiters.map((own) => line.split(own).length)
  return delimiters[counts.indexOf(Math.max(...counts))]
}

function checkNames(names: string[], place: string): string[] {
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined)
    throw new FettleError({
      place,
      found: `the column '${twice}' twice`,
      expected: 'a name for each column',
    })
  return names
}

function explained(path: string, error: unknown, skippedLines: number): unknown {
  if (error instanceof FettleError || !(error instanceof Error) || !('lines' in error))
    return explainUnreadable(path, error, 'a table of texts')
  return new FettleError(
    {
      place: `${path}:${Number(error.lines) + skippedLines}`,
      found: error.message,
      expected: 'as many cells as the first line has, with quotes in pairs',
    },
    { cause: error },
  )
}
