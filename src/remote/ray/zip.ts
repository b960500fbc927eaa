import { createReadStream } from 'node:fs'
import { Zip, ZipDeflate } from 'fflate'
import type { NamedFile } from '../files.ts'

/** The same files give the same bytes. */
const mtime = new Date(1980, 0, 1)

/** Files as one ZIP archive, read piece by piece; undefined where it would be larger than `most` bytes. */
export async function zipOf(files: readonly NamedFile[], most: number): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  const zip = new Zip((error, piece) => {
    if (error) throw error
    pieces.push(piece)
    sizeBytes += piece.length
  })
  for (const { name, path } of files) {
    const file = new ZipDeflate(name)
    file.mtime = mtime
    zip.add(file)
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
      file.push(piece as Buffer)
      if (sizeBytes > most) return undefined
    }
    file.push(new Uint8Array(0), true)
  }
  zip.end()
  return sizeBytes > most ? undefined : Buffer.concat(pieces)
}
