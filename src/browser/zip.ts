/** Remainders of CRC-32 by byte, for the polynomial of ISO 3309 in reverse. */
const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit += 1)
    remainder = remainder & 1 ? 0xedb88320 ^ (remainder >>> 1) : remainder >>> 1
  return remainder
})

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = remainders[(crc ^ byte) & 255] ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

/**
 * Files as one ZIP archive, stored as they are: weights do not become smaller. The same files give the same bytes.
 * Format: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16. Below 4 GiB.
 */
export function zipOf(files: Record<string, Uint8Array<ArrayBuffer>>): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = []
  const directory: Uint8Array<ArrayBuffer>[] = []
  let offset = 0
  for (const [name, bytes] of Object.entries(files)) {
    const text = new TextEncoder().encode(name)
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    const common = [20, 0x0800, 0, 0, 0x0021]
    const sizes = [crc32(bytes), bytes.length, bytes.length]
    const local = record([[0x04034b50], common, sizes, [text.length, 0]])
    parts.push(local, text, bytes)
    directory.push(
      record([[0x02014b50], [20, ...common], sizes, [text.length, 0, 0, 0, 0], [0, offset]]),
      text,
    )
    offset += local.length + text.length + bytes.length
  }
  const directoryBytes = directory.reduce((sum, part) => sum + part.length, 0)
  const count = Object.keys(files).length
  const end = record([[0x06054b50], [0, 0, count, count], [directoryBytes, offset], [0]])
  return new Blob([...parts, ...directory, end], { type: 'application/zip' })
}

/** Numbers one after the other: of 32 bits, 16, 32, 16 and so on. */
function record(groups: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(
    groups.reduce((sum, group, i) => sum + group.length * (i % 2 === 0 ? 4 : 2), 0),
  )
  const view = new DataView(bytes.buffer)
  let at = 0
  groups.forEach((group, i) => {
    for (const value of group) {
      if (i % 2 === 0) view.setUint32(at, value, true)
      else view.setUint16(at, value, true)
      at += i % 2 === 0 ? 4 : 2
    }
  })
  return bytes
}
