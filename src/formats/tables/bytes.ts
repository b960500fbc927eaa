import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { FettleError, messageOf } from '../../error.ts'
import { explainUnreadable } from '../text.ts'

const chunkBytes = 1 << 18
const gzipMagic = 0x1f8b
const zstdMagic = 0x28b52ffd

/** The extension of what a file holds: that of `train.jsonl.gz` is `.jsonl`. */
export function withoutCompression(path: string): string {
  return path.replace(/\.(gz|gzip|zst|zstd)$/i, '')
}

/**
 * The bytes of a file, decompressed where it is gzip or zstd: its first bytes tell, not its name. Files that were compressed one by
 * one and put together are one file.
 *
 * @param expected  what the file should be, for error messages
 * @throws FettleError that names the file, when it cannot be read or is cut off
 */
export async function* readBytes(path: string, expected: string): AsyncGenerator<Buffer> {
  try {
    const chunks = createReadStream(path, { highWaterMark: chunkBytes })[
      Symbol.asyncIterator
    ]() as AsyncIterator<Buffer>
    const { value: first, done } = await chunks.next()
    if (done === true) return
    const all = joined(first, chunks)
    if (first.length >= 2 && first.readUInt16BE(0) === gzipMagic) yield* gunzip(all)
    else if (first.length >= 4 && first.readUInt32BE(0) === zstdMagic) yield* unzstd(all)
    else yield* all
  } catch (error) {
    const unreadable = explainUnreadable(path, error, expected)
    if (unreadable !== error || error instanceof FettleError) throw unreadable
    throw new FettleError(
      { place: path, found: `compressed data that break off: ${messageOf(error)}`, expected: 'a whole file' },
      { cause: error },
    )
  }
}

async function* joined(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  for (;;) {
    const { value, done } = await rest.next()
    if (done === true) return
    yield value
  }
}

async function* gunzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { Readable } = await import('node:stream')
  const stream = Readable.from(chunks)
  const unzipped = createGunzip()
  stream.on('error', (error) => unzipped.destroy(error))
  yield* stream.pipe(unzipped) as AsyncIterable<Buffer>
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
