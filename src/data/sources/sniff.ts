import { Readable } from 'node:stream'
import { FettleError } from '../../error.ts'
import { placeOf, readBytes, type ByteInput } from '../../formats/index.ts'
import type { FileKind } from './parts.ts'

/** Bytes that are looked at to tell what they hold; a JSON file may begin with more white space. */
const mostLookedAt = 1 << 16

/**
 * Tells by their beginning what bytes without a name hold: JSON, Arrow, or a table of texts.
 *
 * @returns the same bytes, not compressed any more
 * @throws FettleError for what can only be read as a file
 */
export async function sniff(input: string | ByteInput): Promise<{ kind: FileKind; bytes: ByteInput }> {
  const place = placeOf(input)
  const chunks = readBytes(input, 'rows')
  let start = Buffer.alloc(0)
  const findKind = async (): Promise<FileKind> => {
    while (start.length < mostLookedAt && start.toString('latin1').trim().length < 8) {
      const { value, done } = await chunks.next()
      if (done === true) break
      start = Buffer.concat([start, value])
    }
    return kindOfBytes(start, place)
  }
  const joined = async function* (): AsyncGenerator<Buffer> {
    try {
      if (start.length > 0) yield start
      yield* chunks
    } finally {
      await chunks.return(undefined)
    }
  }
  const kind = await findKind().catch(async (error: unknown) => {
    await chunks.return(undefined)
    throw error
  })
  return { kind, bytes: { place, open: () => Readable.from(joined(), { objectMode: false }) } }
}

function kindOfBytes(start: Buffer, place: string): FileKind {
  const isMarked = start.length >= 3 && start.readUIntBE(0, 3) === 0xefbbbf
  const text = start.toString('latin1', isMarked ? 3 : 0)
  for (const [magic, name] of [
    ['PAR1', 'Parquet'],
    ['PK\u0003\u0004', 'a ZIP archive'],
  ])
    if (text.startsWith(magic))
      throw new FettleError({
        place,
        found: name,
        expected: 'JSON lines, CSV or Arrow, which can be read from their beginning to their end',
        cure: 'Write it to a file, and give its path.',
      })
  if (text.startsWith('ARROW1') || (start.length >= 4 && start.readUInt32LE(0) === 0xffffffff)) return 'arrow'
  const [first] = text.trimStart()
  // UTF-16, too, is for the reader of JSON to refuse.
  return first === undefined || first === '{' || first === '[' || text.includes('\0') ? 'json' : 'csv'
}
