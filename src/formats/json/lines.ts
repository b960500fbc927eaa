import { FettleError } from '../../error.ts'
import { jsonError, parseJsonText } from './parse.ts'
import { JsonFault } from './reader.ts'
import type { JsonRecord, RecordOptions } from './record.ts'
import { createValueScanner } from './scanner.ts'
import { readJsonValues } from './stream.ts'
import { createLineSource, mostBytes, type LineSource, type SourceLine } from './line-source.ts'
import { decodeUtf8 } from '../text.ts'

const lineEnd = Buffer.from('\n')

/**
 * Values one a line, which JSON.parse reads fastest. A line that is no value by itself may be the beginning of one over
 * several lines, or hold several.
 *
 * @throws FettleError at the first line that is neither, unless `onInvalid` takes it
 */
export async function* readJsonLines(
  path: string,
  chunks: AsyncIterable<Buffer>,
  options: RecordOptions,
): AsyncGenerator<JsonRecord> {
  const lines = createLineSource(chunks)
  let hasWholeLines = false
  for (;;) {
    const line = lines.takeReady() ?? (await lines.next())
    if (line === undefined) return
    const text = decodeLine(path, line, options)
    if (text === undefined || text.trim() === '') continue
    const value = parseOrFault(text)
    if (!(value instanceof JsonFault)) {
      hasWholeLines = true
      yield { value, line: line.number }
      continue
    }
    const block = await collect(lines, line, hasWholeLines)
    if (block !== undefined) yield* readJsonValues(path, [block], options, line.number)
    else refuse(jsonError(value, text, path, { line: line.number, column: 0 }), options)
  }
}

function parseOrFault(text: string): unknown {
  try {
    return parseJsonText(text)
  } catch (error) {
    if (error instanceof JsonFault) return error
    throw error
  }
}

function decodeLine(path: string, line: SourceLine, options: RecordOptions): string | undefined {
  const { bytes, number } = line
  const place = `${path}:${number}`
  if (line.isTooLong) {
    refuse(tooLong(place), options)
    return undefined
  }
  try {
    return decodeUtf8(bytes, place, number === 1)
  } catch (error) {
    refuse(error instanceof FettleError ? error : tooLong(place, error), options)
    return undefined
  }
}

function tooLong(place: string, cause?: unknown): FettleError {
  const found = 'a line of 512 MiB or more'
  const cure = 'Split the line; a file of other data than rows has none.'
  return new FettleError({ place, found, expected: 'less than 512 MiB', cure }, { cause })
}

function refuse(error: FettleError, { onInvalid }: RecordOptions): void {
  if (onInvalid === undefined) throw error
  onInvalid(error)
}

/**
 * A line with those behind it up to where its last value ends. Undefined, with those lines given back, where it never
 * does: at the end of the file or, among lines that are values each, at the next such line.
 */
async function collect(
  lines: LineSource,
  first: SourceLine,
  hasWholeLines: boolean,
): Promise<Buffer | undefined> {
  const scanner = createValueScanner()
  const taken = [first]
  let bytes = first.bytes.length
  scanner.push(first.bytes)
  while (scanner.isOpen) {
    const line = bytes > mostBytes ? undefined : await lines.next()
    if (line === undefined || line.isTooLong || (hasWholeLines && isObject(line))) {
      lines.giveBack([...taken.slice(1), ...(line === undefined ? [] : [line])])
      return undefined
    }
    taken.push(line)
    bytes += line.bytes.length
    scanner.push(lineEnd)
    scanner.push(line.bytes)
  }
  return Buffer.concat(taken.flatMap((line) => [line.bytes, lineEnd]))
}

/** Whether a line is a whole object. */
function isObject({ bytes }: SourceLine): boolean {
  const text = bytes.toString('utf8').trim()
  return text.startsWith('{') && text.endsWith('}') && !(parseOrFault(text) instanceof JsonFault)
}
