import { readJsonLines } from './lines.ts'
import type { JsonRecord, RecordOptions } from './record.ts'
import { isSpace } from './scanner.ts'
import { readJsonValues } from './stream.ts'
import { placeOf, readBytes, type ByteInput } from '../tables/bytes.ts'

/**
 * Reads the values of a JSON file, whatever its layout: one a line, the items of one list, values one behind the other,
 * each over as many lines as it likes. One value is in memory at a time. A byte order mark, CRLF and empty lines are
 * allowed.
 *
 * @throws FettleError `file:line: …` at the first value that is not JSON or not UTF-8
 */
export async function* readJsonRecords(
  input: string | ByteInput,
  options: RecordOptions = {},
): AsyncGenerator<JsonRecord> {
  const path = placeOf(input)
  const chunks = readBytes(input, /\.json$/i.test(path) ? 'a JSON file' : 'a JSON lines file')
  try {
    const { start, isList } = await readStart(chunks)
    const all = joined(start, chunks)
    // A list may be one line of any length: only objects are read by lines.
    yield* isList ? readJsonValues(path, all, options) : readJsonLines(path, all, options)
  } finally {
    // Closes the file, also where nobody reads to the end.
    await chunks.return(undefined)
  }
}

/** The beginning of a file, up to its first character that is not white space. */
async function readStart(chunks: AsyncGenerator<Buffer>): Promise<{ start: Buffer[]; isList: boolean }> {
  const start: Buffer[] = []
  for (;;) {
    const { value, done } = await chunks.next()
    if (done === true) return { start, isList: false }
    const isMarked = start.length === 0 && value.length >= 3 && value.readUIntBE(0, 3) === 0xefbbbf
    start.push(value)
    const text = value.subarray(isMarked ? 3 : 0)
    const at = text.findIndex((byte) => !isSpace(byte))
    // A zero behind the bracket is UTF-16, which is refused where lines are decoded.
    if (at >= 0) return { start, isList: text[at] === 0x5b && text[at + 1] !== 0 }
  }
}

async function* joined(start: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* start
  yield* rest
}
