import { FettleError } from '../../error.ts'
import { explainUnreadable } from '../text.ts'
import { readBytes } from './bytes.ts'

/** A row of a table by its columns, and where it begins. */
export interface TableRow {
  value: Record<string, string>
  /** 1-based. */
  line: number
}

const delimiters = [',', ';', '\t', '|'] as const

/**
 * The rows of a table of texts, the first of which names the columns. Quoted cells may hold line ends.
 * Source: https://www.rfc-editor.org/rfc/rfc4180
 *
 * @param delimiter  what stands between cells; without it, the one that the first line has most of
 * @throws FettleError `file:line: …`, when the file is not UTF-8, or a row has other columns than the first
 */
export async function* readCsv(path: string, delimiter?: string): AsyncGenerator<TableRow> {
  const { parse } = await import('csv-parse')
  const chunks = decoded(path)
  const { value: start = '' } = await chunks.next()
  const between = delimiter ?? delimiterOf(start)
  const parser = parse({
    delimiter: between,
    columns: (names: string[]) => checkNames(names, path),
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
  let line = 2
  try {
    for await (const { record, raw } of parser as AsyncIterable<{ record: TableRow['value']; raw: string }>) {
      const [skipped] = /^[\r\n]*/.exec(raw) ?? ['']
      yield { value: record, line: line + newlines(skipped) }
      line += newlines(raw)
    }
  } catch (error) {
    throw explained(path, error)
  } finally {
    parser.destroy()
    await fed
  }
}

/** Pieces of text; a character that is cut in two is put together. */
async function* decoded(path: string): AsyncGenerator<string> {
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
  for await (const bytes of readBytes(path, 'a table of texts')) yield decode(bytes)
  yield decode()
}

const newlines = (text: string): number => text.split('\n').length - 1

function delimiterOf(start: string): string {
  // What stands in quotes parts nothing.
  const [line] = start.replaceAll(/"[^"]*"/g, '').split(/\r?\n/, 1)
  const counts = delimiters.map((own) => line.split(own).length)
  return delimiters[counts.indexOf(Math.max(...counts))]
}

function checkNames(names: string[], path: string): string[] {
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined)
    throw new FettleError({
      place: `${path}:1`,
      found: `the column '${twice}' twice`,
      expected: 'a name for each column',
    })
  return names
}

function explained(path: string, error: unknown): unknown {
  if (error instanceof FettleError || !(error instanceof Error) || !('lines' in error))
    return explainUnreadable(path, error, 'a table of texts')
  return new FettleError(
    {
      place: `${path}:${String(error.lines)}`,
      found: error.message,
      expected: 'as many cells as the first line has, with quotes in pairs',
    },
    { cause: error },
  )
}
