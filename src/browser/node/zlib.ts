// Stands in for node:zlib in bundles for pages; what unpacks is in unpack.ts.

/** Remainders of CRC-32 by byte, for the polynomial of ISO 3309 in reverse. */
const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit += 1)
    remainder = remainder & 1 ? 0xedb88320 ^ (remainder >>> 1) : remainder >>> 1
  return remainder
})

export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before
  for (const byte of bytes) crc = remainders[(crc ^ byte) & 255] ^ (crc >>> 8)
  return ~crc >>> 0
}
