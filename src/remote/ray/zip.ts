import { deflateRawSync } from 'node:zlib'
import { crc32 } from '../../formats/index.ts'

/** A file of an archive. */
export interface ZippedFile {
  /** With `/` between folders. */
  name: string
  data: Buffer
}

/** What is in front of each file, and again in the directory at the end: up to its times, and from its sums on. */
const localMagic = 0x04034b50
const centralMagic = 0x02014b50
const endMagic = 0x06054b50
/** 1980-01-01: the same files give the same bytes. */
const dosDate = 33

/**
 * Packs files into a zip archive, deflated.
 * Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export function createZip() {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let size = 0
  return {
    /** Bytes so far. */
    get size() {
      return size
    },
    add({ name, data }: ZippedFile): void {
      const path = Buffer.from(name)
      const packed = deflateRawSync(data)
      const common = Buffer.alloc(26)
      common.writeUInt16LE(20, 0)
      common.writeUInt16LE(0x0800, 2)
      common.writeUInt16LE(8, 4)
      common.writeUInt16LE(dosDate, 8)
      common.writeUInt32LE(crc32(data), 10)
      common.writeUInt32LE(packed.length, 14)
      common.writeUInt32LE(data.length, 18)
      common.writeUInt16LE(path.length, 22)
      const central = Buffer.alloc(14)
      central.writeUInt32LE((0o100644 << 16) >>> 0, 6)
      central.writeUInt32LE(size, 10)
      directory.push(word(centralMagic), Buffer.from([20, 3]), common, central, path)
      const added = [word(localMagic), common, path, packed]
      parts.push(...added)
      size += added.reduce((sum, { length }) => sum + length, 0)
    },
    finish(): Buffer {
      const listing = Buffer.concat(directory)
      const end = Buffer.alloc(18)
      const count = directory.length / 5
      end.writeUInt16LE(count, 4)
      end.writeUInt16LE(count, 6)
      end.writeUInt32LE(listing.length, 8)
      end.writeUInt32LE(size, 12)
      return Buffer.concat([...parts, listing, word(endMagic), end])
    },
  }
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
