/**
 * Messages of protocol buffers, written field by field. Libraries for it (protobufjs, onnx-proto) hold a whole message in memory,
 * and an ONNX file is one message with all weights inside: here lengths are known before the bytes are there.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */

const utf8 = new TextEncoder()

/** How a field's value is encoded, as its key says. */
const wireTypes = { varint: 0, bytes: 2, fixed32: 5 } as const

/** An integer in groups of seven bits, the lowest first; negative ones as 64 bits of two's complement. */
export function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

function key(field: number, type: keyof typeof wireTypes): Uint8Array {
  return varint(field * 8 + wireTypes[type])
}

/** The key and the length of a field whose `length` bytes follow. */
export function bytesHeader(field: number, length: number): Uint8Array {
  return joined([key(field, 'bytes'), varint(length)])
}

export function integerField(field: number, value: number | bigint): Uint8Array {
  return joined([key(field, 'varint'), varint(value)])
}

export function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return joined([key(field, 'fixed32'), bytes])
}

export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return joined([bytesHeader(field, bytes.length), bytes])
}

export function textField(field: number, text: string): Uint8Array {
  return bytesField(field, utf8.encode(text))
}

/** A field that is a message of these fields. */
export function messageField(field: number, fields: readonly Uint8Array[]): Uint8Array {
  return bytesField(field, joined(fields))
}

/** Pieces of bytes, one after the other. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
