import { createReadStream } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { FettleError } from '../error.ts'
import { crc32 } from './crc32.ts'
import { explainUnreadable } from './text.ts'

/** A file in a ZIP archive. */
export interface ZipMember {
  /** With `/` between names. */
  name: string
  /** Its bytes; what does not agree with its checksum ends in an error. */
  open(): Readable
}

const directorySignature = 0x02014b50
const localSignature = 0x04034b50
const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locator64Signature = 0x07064b50

/** An end of the archive with the longest remark. */
const mostEndBytes = 22 + 0xffff
/** More members than anybody packs, and a directory that still fits memory. */
const mostDirectoryBytes = 1 << 28

/**
 * The files in a ZIP archive, as its directory lists them: stored or deflated, also beyond 4 GiB.
 * Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 * @throws FettleError that names the archive, where it breaks off, is encrypted or packed in another way
 */
export async function listZip(path: string): Promise<ZipMember[]> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    return await readDirectory(path, file)
  } catch (error) {
    throw explainUnreadable(path, error, 'a ZIP archive')
  } finally {
    await file?.close()
  }
}

function broken(place: string, found: string): FettleError {
  return new FettleError({
    place,
    found,
    expected: 'a whole ZIP archive',
    cure: 'It may have been cut off: fetch or make it anew.',
  })
}

async function readDirectory(path: string, file: FileHandle): Promise<ZipMember[]> {
  const { size } = await file.stat()
  const read = async (offset: number, length: number): Promise<Buffer> => {
    if (offset < 0 || length < 0 || offset + length > size) throw broken(path, 'an archive that breaks off')
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await file.read(bytes, 0, length, offset)
    if (bytesRead < length) throw broken(path, 'an archive that breaks off')
    return bytes
  }
  const tail = await read(Math.max(0, size - mostEndBytes), Math.min(size, mostEndBytes))
  let at = tail.length - 22
  while (at >= 0 && tail.readUInt32LE(at) !== endSignature) at -= 1
  if (at < 0) throw broken(path, 'an archive that breaks off before its directory')
  let count = tail.readUInt16LE(at + 10)
  let length = tail.readUInt32LE(at + 12)
  let offset = tail.readUInt32LE(at + 16)
  if (at >= 20 && tail.readUInt32LE(at - 20) === locator64Signature) {
    const end = await read(Number(tail.readBigUInt64LE(at - 12)), 56)
    if (end.readUInt32LE(0) !== end64Signature) throw broken(path, 'an archive without its end')
    count = Number(end.readBigUInt64LE(32))
    length = Number(end.readBigUInt64LE(40))
    offset = Number(end.readBigUInt64LE(48))
  }
  if (length > mostDirectoryBytes) throw broken(path, `a directory of ${length} bytes`)
  const directory = await read(offset, length)
  const members: ZipMember[] = []
  for (let entry = 0, from = 0; entry < count; entry += 1) {
    if (from + 46 > directory.length || directory.readUInt32LE(from) !== directorySignature)
      throw broken(path, `a directory that breaks off behind ${entry} of ${count} files`)
    const found = readEntry(path, directory.subarray(from))
    from += found.byteLength
    if (found.name.endsWith('/')) continue
    const start = await startOf(found, read, path)
    members.push({
      name: found.name,
      open: () => Readable.from(readMember(path, found, start), { objectMode: false }),
    })
  }
  return members
}

interface Entry {
  name: string
  method: number
  checksum: number
  packedBytes: number
  bytes: number
  offset: number
  /** Of the entry in the directory. */
  byteLength: number
}

function readEntry(path: string, entry: Buffer): Entry {
  const [nameLength, extraLength, remarkLength] = [28, 30, 32].map((at) => entry.readUInt16LE(at))
  const byteLength = 46 + nameLength + extraLength + remarkLength
  if (byteLength > entry.length) throw broken(path, 'a directory that breaks off')
  const name = entry.toString('utf8', 46, 46 + nameLength)
  const place = `${path}/${name}`
  if ((entry.readUInt16LE(8) & 1) === 1)
    throw new FettleError({ place, found: 'encrypted', expected: 'no password', cure: 'Unpack it first.' })
  const method = entry.readUInt16LE(10)
  if (method !== 0 && method !== 8)
    throw new FettleError({
      place,
      found: `packed by method ${method}${method === 93 ? ' (zstd)' : ''}`,
      expected: 'stored or deflated',
      cure: 'Unpack it first.',
    })
  const sizes = {
    bytes: entry.readUInt32LE(24),
    packedBytes: entry.readUInt32LE(20),
    offset: entry.readUInt32LE(42),
  }
  // Sizes that do not fit stand behind the name, in this order.
  let at = 46 + nameLength
  const end = at + extraLength
  while (at + 4 <= end && entry.readUInt16LE(at) !== 1) at += 4 + entry.readUInt16LE(at + 2)
  at += 4
  for (const key of ['bytes', 'packedBytes', 'offset'] as const)
    if (sizes[key] === 0xffffffff && at + 8 <= end) {
      sizes[key] = Number(entry.readBigUInt64LE(at))
      at += 8
    }
  return { name, method, checksum: entry.readUInt32LE(16), ...sizes, byteLength }
}

/** Where the bytes of a member begin. */
async function startOf(
  { offset, packedBytes, name }: Entry,
  read: (offset: number, length: number) => Promise<Buffer>,
  path: string,
): Promise<number> {
  const local = await read(offset, 30)
  if (local.readUInt32LE(0) !== localSignature)
    throw broken(`${path}/${name}`, 'no file where the directory says')
  const start = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28)
  await read(start + packedBytes, 0)
  return start
}

async function* readMember(
  path: string,
  { name, method, checksum, packedBytes, bytes }: Entry,
  start: number,
): AsyncGenerator<Buffer> {
  let seen = 0
  let sum = 0
  if (packedBytes > 0) {
    const packed = createReadStream(path, { start, end: start + packedBytes - 1 })
    const { inflateRaw } = await import('./unpack.ts')
    const chunks: AsyncIterable<Buffer> = method === 8 ? inflateRaw(packed) : packed
    for await (const chunk of chunks) {
      seen += chunk.length
      sum = crc32(chunk, sum)
      // What unfolds to more than it says may have no end.
      if (seen > bytes) throw broken(`${path}/${name}`, `more than the ${bytes} bytes that it says`)
      yield chunk
    }
  }
  if (seen !== bytes || sum !== checksum)
    throw broken(`${path}/${name}`, 'bytes that are not those of its checksum')
}
