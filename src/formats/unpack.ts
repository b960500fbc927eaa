import { pipeline, Readable, type Transform } from 'node:stream'
import { createGunzip, createInflateRaw } from 'node:zlib'

// Pages have src/browser/node/unpack.ts in its place.

/** Undoes gzip; files that were compressed one by one and put together are one file. */
export const gunzip = (packed: AsyncIterable<Buffer>): AsyncIterable<Buffer> =>
  unpacked(packed, createGunzip())

/** Undoes deflate without a header, as archives have it. */
export const inflateRaw = (packed: AsyncIterable<Buffer>): AsyncIterable<Buffer> =>
  unpacked(packed, createInflateRaw())

function unpacked(packed: AsyncIterable<Buffer>, by: Transform): AsyncIterable<Buffer> {
  // Errors reach whoever reads.
  return pipeline(packed instanceof Readable ? packed : Readable.from(packed), by, () => {})
}
