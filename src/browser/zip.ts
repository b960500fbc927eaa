import { crc32 } from '../formats/index.ts'

/** 1 January 1980, the first day that archives know: the same files give the same bytes. */
const day = 0x21
/** Names are UTF-8. */
const flags = 0x800
const most = 0xffffffff

/**
 * Files as one ZIP archive, stored as they are: weights do not become smaller. Written here, since a library's packing would be ten
 * times this in every page. Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 * @throws RangeError beyond 4 GiB
 */
export function zipOf(files: Record<string, Uint8Array<ArrayBuffer>>): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = []
  const directory: Uint8Array<ArrayBuffer>[] = []
  let offset = 0
  for (const [name, bytes] of Object.entries(files)) {
    const text = new TextEncoder().encode(name)
    // Version, flags, method, time, day; checksum, bytes packed and not; length of the name, and of what stands behind it.
    const shared = [20, flags, 0, 0, day, ...words(crc32(bytes), bytes.length, bytes.length), text.length, 0]
    parts.push(record(0x04034b50, shared), text, bytes)
    directory.push(record(0x02014b50, [20, ...shared, 0, 0, 0, 0, 0, ...words(offset)]), text)
    offset += 30 + text.length + bytes.length
  }
  const count = directory.length / 2
  const directoryBytes = directory.reduce((sum, { length }) => sum + length, 0)
  if (offset + directoryBytes > most) throw new RangeError('an archive of more than 4 GiB')
  const end = record(0x06054b50, [0, 0, count, count, ...words(directoryBytes, offset), 0])
  return new Blob([...parts, ...directory, end], { type: 'application/zip' })
}

/** Numbers of 32 bits as two of 16 each. */
function words(...numbers: number[]): number[] {
  return numbers.flatMap((number) => [number & 0xffff, number >>> 16])
}

/** A signature and numbers of 16 bits behind it, the lower byte first. */
function record(signature: number, numbers: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = [...words(signature), ...numbers].flatMap((number) => [number & 255, number >>> 8])
  return Uint8Array.from(bytes)
}
