import * as zlib from 'node:zlib'

/** The checksum of bytes. @param before  of the bytes before them */
type Checksum = (bytes: Uint8Array, before?: number) => number

/** A CRC of 32 bits by a table of remainders. @param polynomial  its bits in reverse */
function checksumOf(polynomial: number): Checksum {
  const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte
    for (let bit = 0; bit < 8; bit += 1)
      remainder = remainder & 1 ? polynomial ^ (remainder >>> 1) : remainder >>> 1
    return remainder
  })
  return (bytes, before = 0) => {
    let crc = ~before
    for (const byte of bytes) crc = remainders[(crc ^ byte) & 255] ^ (crc >>> 8)
    return ~crc >>> 0
  }
}

/** CRC-32 by the polynomial of ISO 3309. */
export const tableCrc32 = checksumOf(0xedb88320)

/** CRC-32 as gzip and ZIP have it: Node's own, which 22.0 and 22.1 lack, and pages: asked by name, or their bundler warns of it. */
export const crc32: Checksum = (Reflect.get(zlib, 'crc32') as Checksum | undefined) ?? tableCrc32

/** CRC-32C, by the polynomial of Castagnoli. */
export const crc32c = checksumOf(0x82f63b78)
