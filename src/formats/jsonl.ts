import { createReadStream } from 'node:fs'
import { FettleError, messageOf } from '../error.ts'
import { decodeUtf8, explainUnreadable } from './text.ts'

/** One value of a JSON lines file and its 1-based line. */
export interface JsonLine {
  value: unknown
  line: number
}

/**
 * Reads a JSON lines file, a line at a time whatever its size. A byte order mark, CRLF and empty lines are
 * allowed.
 *
 * @throws FettleError `file:line: …` at the first line that is not JSON or not UTF-8
 */
export async function* readJsonl(path: string): AsyncGenerator<JsonLine> {
  let line = 0
  for await (const bytes of readLines(path)) {
    line++
    const text = decodeLine(path, line, bytes)
    if (text.trim() !== '') yield { value: parseLine(path, line, text), line }
  }
}

const chunkBytes = 1 << 18
const newline = 10

async function* readLines(path: string): AsyncGenerator<Buffer> {
  // Pieces of a line that is not complete yet; joined once, so that a line of any length takes linear time.
  let pieces: Buffer[] = []
  try {
    for await (const chunk of createReadStream(path, {
      highWaterMark: chunkBytes,
    }) as AsyncIterable<Buffer>) {
      let start = 0
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
        const piece = chunk.subarray(start, end)
        yield pieces.length === 0 ? piece : Buffer.concat([...pieces, piece])
        pieces = []
        start = end + 1
      }
      if (start < chunk.length) pieces.push(chunk.subarray(start))
    }
  } catch (error) {
    throw explainUnreadable(path, error, 'a JSON lines file')
  }
  if (pieces.length > 0) yield Buffer.concat(pieces)
}

function decodeLine(path: string, line: number, bytes: Buffer): string {
  const place = `${path}:${line}`
  try {
    return decodeUtf8(bytes, place, line === 1)
  } catch (error) {
    if (error instanceof FettleError) throw error
    throw new FettleError(
      {
        place,
        found: `a line of ${bytes.length} bytes`,
        expected: 'less than 512 MiB',
        cure: 'Split the line.',
      },
      { cause: error },
    )
  }
}

function parseLine(path: string, line: number, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const first = text.trimStart()[0]
    throw new FettleError(
      {
        place: `${path}:${line}`,
        found: `not JSON: ${messageOf(error)}`,
        expected: 'one JSON value a line',
        cure:
          line === 1 && (first === '[' || first === '{')
            ? 'If the whole file is one JSON value, name it .json.'
            : 'Correct or remove the line.',
      },
      { cause: error },
    )
  }
}
