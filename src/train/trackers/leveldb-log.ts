import { crc32 } from '../../formats/index.ts'

/**
 * A log as LevelDB frames it and Weights & Biases writes it: blocks of 32 KiB, records of which each part has a header of 7 bytes
 * (checksum, length, kind), before the first one the file's own header. The checksum is CRC-32 of kind and data.
 * Source: https://github.com/google/leveldb/blob/main/doc/log_format.md, and wandb's datastore
 */

const blockSize = 32 * 1024
const headerSize = 7
const kinds = { full: 1, first: 2, middle: 3, last: 4 } as const

/** `:W&B`, a magic number and a version. */
export const fileHeader: Uint8Array = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0)

/**
 * The bytes of a record that begins at an offset of the file.
 *
 * @param offset  where the log ends before it
 */
export function frameRecord(data: Uint8Array, offset: number): Uint8Array {
  const parts: Uint8Array[] = []
  let at = offset
  let from = 0
  for (let isFirst = true; isFirst || from < data.length; isFirst = false) {
    const left = blockSize - (at % blockSize)
    if (left < headerSize) {
      parts.push(new Uint8Array(left))
      at += left
    }
    const room = blockSize - (at % blockSize) - headerSize
    const part = data.subarray(from, from + room)
    from += part.length
    const isLast = from === data.length
    const kind = isFirst ? (isLast ? kinds.full : kinds.first) : isLast ? kinds.last : kinds.middle
    const header = Buffer.alloc(headerSize)
    header.writeUInt32LE(checksum(kind, part), 0)
    header.writeUInt16LE(part.length, 4)
    header.writeUInt8(kind, 6)
    parts.push(header, part)
    at += headerSize + part.length
  }
  return Buffer.concat(parts)
}

/** The whole records of a log, up to the first that is damaged or was cut off. */
export function readRecords(bytes: Uint8Array): Uint8Array[] {
  const log = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: Uint8Array[] = []
  if (!log.subarray(0, headerSize).equals(fileHeader)) return records
  let parts: Uint8Array[] = []
  for (let at = headerSize; at + headerSize <= log.length;) {
    const left = blockSize - (at % blockSize)
    if (left < headerSize) {
      at += left
      continue
    }
    const length = log.readUInt16LE(at + 4)
    const kind = log.readUInt8(at + 6)
    const data = log.subarray(at + headerSize, at + headerSize + length)
    const isWhole = data.length === length && length <= left - headerSize
    if (!isWhole || log.readUInt32LE(at) !== checksum(kind, data)) break
    const begins = kind === kinds.full || kind === kinds.first
    if (begins !== (parts.length === 0)) break
    parts.push(data)
    if (kind === kinds.full || kind === kinds.last) {
      records.push(Buffer.concat(parts))
      parts = []
    }
    at += headerSize + length
  }
  return records
}

function checksum(kind: number, data: Uint8Array): number {
  return crc32(data, crc32(Uint8Array.of(kind)))
}
