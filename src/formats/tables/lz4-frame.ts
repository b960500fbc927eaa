/** Most bytes that a frame may become. */
const mostBytes = 2 ** 31 - 1

/**
 * The bytes of LZ4 frames. Checksums are not looked at.
 * Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md
 *
 * @throws Error where the bytes are no frame or end inside of it
 */
export function decompressLz4(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const output = createOutput(bytes.length * 4)
  let at = 0
  while (at < bytes.length) {
    if (view.getUint32(at, true) !== 0x184d2204) throw new Error('no LZ4 frame')
    const flags = view.getUint8(at + 4)
    // Content size, dictionary id and a checksum of the header stand behind the two bytes of flags.
    at += 7 + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4)
    for (;;) {
      const size = view.getUint32(at, true)
      at += 4
      if (size === 0) break
      const length = size & 0x7fffffff
      if (at + length > bytes.length) throw new Error('an LZ4 block that breaks off')
      const block = bytes.subarray(at, at + length)
      if (size >>> 31 === 1) output.append(block)
      else decompressBlock(block, output)
      at += length + ((flags & 16) === 0 ? 0 : 4)
    }
    at += (flags & 4) === 0 ? 0 : 4
  }
  return output.bytes()
}

interface Output {
  append(bytes: Uint8Array): void
  /** Repeats what was written so many bytes before. */
  repeat(offset: number, length: number): void
  bytes(): Uint8Array
}

function createOutput(guess: number): Output {
  let held = new Uint8Array(Math.max(64, guess))
  let length = 0
  const reserve = (more: number): void => {
    if (length + more > mostBytes) throw new Error('more than 2 GiB')
    if (length + more <= held.length) return
    const larger = new Uint8Array(Math.max(held.length * 2, length + more))
    larger.set(held.subarray(0, length))
    held = larger
  }
  return {
    append(bytes) {
      reserve(bytes.length)
      held.set(bytes, length)
      length += bytes.length
    },
    repeat(offset, count) {
      if (offset === 0 || offset > length) throw new Error('an LZ4 block that points before its beginning')
      reserve(count)
      // What is repeated may reach into what is written here.
      for (let i = 0; i < count; i += 1) held[length + i] = held[length - offset + i]
      length += count
    },
    bytes: () => held.subarray(0, length),
  }
}

function decompressBlock(block: Uint8Array, output: Output): void {
  let at = 0
  const byte = (): number => {
    if (at >= block.length) throw new Error('an LZ4 block that breaks off')
    return block[at++]
  }
  /** Four bits, and bytes behind them as long as they are full. */
  const lengthOf = (bits: number): number => {
    let length = bits
    if (bits < 15) return length
    for (;;) {
      const more = byte()
      length += more
      if (more < 255) return length
    }
  }
  while (at < block.length) {
    const token = byte()
    const literals = lengthOf(token >> 4)
    if (at + literals > block.length) throw new Error('an LZ4 block that breaks off')
    output.append(block.subarray(at, at + literals))
    at += literals
    // The last sequence has literals alone.
    if (at === block.length) return
    const offset = byte() | (byte() << 8)
    output.repeat(offset, lengthOf(token & 15) + 4)
  }
}
