/**
 * Messages of protocol buffers, written and read field by field. Libraries for it (protobufjs, onnx-proto) hold a whole message in memory,
 * and an ONNX file is one message with all weights inside: here lengths are known before the bytes are there.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */

const utf8 = new TextEncoder()

/** How a field's value is encoded, as its key says. */
const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** An integer in groups of seven bits, the lowest first; negative ones as 64 bits of two's complement. */
function varint(value: number | bigint): Uint8Array {
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

export function doubleField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value, true)
  return joined([key(field, 'fixed64'), bytes])
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

/** The fields of a message that are whole numbers or bytes; what lies beyond its end is left out. */
function* readFields(message: Uint8Array): Generator<{ field: number; value: number | Uint8Array }> {
  let at = 0
  const next = (): number => {
    let value = 0n
    for (let shift = 0n; at < message.length; shift += 7n) {
      const byte = message[at++]
      value |= BigInt(byte & 127) << shift
      if (byte < 128) break
    }
    return Number(value)
  }
  while (at < message.length) {
    const key = next()
    const type = key % 8
    if (type === wireTypes.varint) yield { field: key >> 3, value: next() }
    else if (type === wireTypes.bytes) {
      const length = next()
      yield { field: key >> 3, value: message.subarray(at, at + length) }
      at += length
    } else if (type === wireTypes.fixed64) at += 8
    else if (type === wireTypes.fixed32) at += 4
    else return
  }
}

/** The bytes of the first field of this number. */
export function bytesOf(message: Uint8Array, field: number): Uint8Array | undefined {
  for (const found of readFields(message))
    if (found.field === field && typeof found.value !== 'number') return found.value
  return undefined
}

/** The whole number of the first field of this number. */
export function intOf(message: Uint8Array, field: number): number | undefined {
  for (const found of readFields(message))
    if (found.field === field && typeof found.value === 'number') return found.value
  return undefined
}
