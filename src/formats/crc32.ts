import * as zlib from 'node:zlib'

/** Remainders of CRC-32 by byte, for the polynomial of ISO 3309 in reverse. */
const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit += 1)
    remainder = remainder & 1 ? 0xedb88320 ^ (remainder >>> 1) : remainder >>> 1
  return remainder
})

/** CRC-32 of bytes by a table. @param before  of the bytes before them */
export function tableCrc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before
  for (const byte of bytes) crc = remainders[(crc ^ byte) & 255] ^ (crc >>> 8)
  return ~crc >>> 0
}

/** CRC-32 as gzip and ZIP have it: Node's own, which 22.0 and 22.1 lack. */
export const crc32: typeof tableCrc32 = 'crc32' in zlib ? zlib.crc32 : tableCrc32
