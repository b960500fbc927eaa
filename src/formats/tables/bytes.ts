import { fstatSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { FettleError, messageOf } from '../../error.ts'
import { explainUnreadable } from '../text.ts'

const chunkBytes = 1 << 18
const gzipMagic = 0x1f8b
const zstdMagic = 0x28b52ffd

let read = 0

/** Bytes of files and pipes that readers of rows have taken in so far, as they lie there: what tells how far they are. */
export function bytesRead(): number {
  return read
}

/** Counts bytes that were read. */
export function countBytes(count: number): void {
  read += count
}

/** Bytes that are not a file of their own: standard input, a member of an archive. */
export interface ByteInput {
  /** What errors call them. */
  place: string
  open(): Readable
}

/** What errors call a file, or other bytes. */
export function placeOf(input: string | ByteInput): string {
  return typeof input === 'string' ? input : input.place
}

/**
 * The bytes of a file, decompressed where it is gzip or zstd: its first bytes tell, not its name. Files that were compressed one by
 * one and put together are one file.
 *
 * @param expected  what the file should be, for error messages
 * @throws FettleError that names the file, when it cannot be read, is cut off or is cut while it is read
 */
export async function* readBytes(input: string | ByteInput, expected: string): AsyncGenerator<Buffer> {
  const path = placeOf(input)
  const bytes: AsyncIterable<Buffer> = typeof input === 'string' ? bytesOfFile(input) : input.open()
  const chunks = bytes[Symbol.asyncIterator]()
  try {
    const { value: first, done } = await chunks.next()
    if (done === true) return
    countBytes(first.length)
    refuseCodec(path, first)
    const all = joined(first, chunks)
    if (first.length >= 2 && first.readUInt16BE(0) === gzipMagic) {
      const { gunzip } = await import('../unpack.ts')
      yield* gunzip(all)
    } else if (first.length >= 4 && first.readUInt32BE(0) === zstdMagic) yield* unzstd(all)
    else yield* all
  } catch (error) {
    const unreadable = explainUnreadable(path, error, expected)
    if (unreadable !== error || error instanceof FettleError) throw unreadable
    throw new FettleError(
      { place: path, found: `compressed data that break off: ${messageOf(error)}`, expected: 'a whole file' },
      { cause: error },
    )
  } finally {
    // Also where nobody reads to the end.
    await chunks.return?.()
  }
}

/** The bytes of a file. What another program cuts meanwhile would look like a file that ends there. */
async function* bytesOfFile(path: string): AsyncGenerator<Buffer> {
  const file = await open(path)
  let bytes = 0
  const refuseCut = (): void => {
    const { size } = fstatSync(file.fd)
    if (size < bytes)
      throw new FettleError({
        place: path,
        found: `${size} bytes now`,
        expected: `the ${bytes} that there were when reading began`,
        cure: 'The file was cut or written anew while it was read: run again when it is whole.',
      })
    bytes = size
  }
  try {
    refuseCut()
    for await (const chunk of file.createReadStream({ highWaterMark: chunkBytes, autoClose: false })) {
      refuseCut()
      yield chunk as Buffer
    }
    refuseCut()
  } finally {
    await file.close()
  }
}

/** Beginnings of what other programs compress, and what undoes it. */
const otherCodecs = [
  ['425a68', 'bzip2', 'bunzip2'],
  ['fd377a585a00', 'xz', 'unxz'],
  ['04224d18', 'lz4', 'unlz4'],
  ['377abcaf271c', '7-Zip', '7z x'],
  ['52617221', 'RAR', 'unrar x'],
] as const

function refuseCodec(place: string, first: Buffer): void {
  const start = first.toString('hex', 0, 8)
  const codec = otherCodecs.find(([magic]) => start.startsWith(magic))
  if (codec === undefined) return
  const [, name, undo] = codec
  throw new FettleError({
    place,
    found: `${name} compression`,
    expected: 'gzip, zstd, zip or none',
    cure: `Unpack it first: ${undo}.`,
  })
}

async function* joined(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  for (;;) {
    const { value, done } = await rest.next()
    if (done === true) return
    countBytes(value.length)
    yield value
  }
}

async function* unzstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { Decompress } = await import('fzstd')
  let ready: Buffer[] = []
  const stream = new Decompress((bytes) => ready.push(Buffer.from(bytes)))
  const take = (): Buffer[] => {
    const taken = ready
    ready = []
    return taken
  }
  for await (const chunk of chunks) {
    stream.push(chunk)
    yield* take()
  }
  stream.push(new Uint8Array(0), true)
  yield* take()
}
