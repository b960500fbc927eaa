// Stands in for src/formats/unpack.ts in bundles for pages.
import { Buffer } from './buffer.ts'
import { Gunzip, Inflate } from 'fflate'

type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>

export const gunzip = (packed: Chunks): AsyncGenerator<Buffer> => unpacked(packed, new Gunzip())
export const inflateRaw = (packed: Chunks): AsyncGenerator<Buffer> => unpacked(packed, new Inflate())

async function* unpacked(packed: Chunks, by: Gunzip | Inflate): AsyncGenerator<Buffer> {
  const ready: Buffer[] = []
  by.ondata = (bytes) => ready.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  for await (const chunk of packed) {
    by.push(chunk)
    yield* ready.splice(0)
  }
  by.push(new Uint8Array(0), true)
  yield* ready.splice(0)
}
