/** A message of protocol buffers from its fields. */
export function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields)
}

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

function tag(field: number, type: keyof typeof wire): Uint8Array {
  return varint(field * 8 + wire[type])
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt(value)
  do {
    const low = Number(rest & 127n)
    rest >>= 7n
    bytes.push(rest > 0n ? low | 128 : low)
  } while (rest > 0n)
  return Uint8Array.from(bytes)
}

export function int64Field(field: number, value: number): Uint8Array {
  return message(tag(field, 'varint'), varint(value))
}

export function doubleField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return message(tag(field, 'fixed64'), bytes)
}

export function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return message(tag(field, 'fixed32'), bytes)
}

export function bytesField(field: number, value: Uint8Array): Uint8Array {
  return message(tag(field, 'bytes'), varint(value.length), value)
}

export function textField(field: number, value: string): Uint8Array {
  return bytesField(field, Buffer.from(value, 'utf8'))
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
    if (type === wire.varint) yield { field: key >> 3, value: next() }
    else if (type === wire.bytes) {
      const length = next()
      yield { field: key >> 3, value: message.subarray(at, at + length) }
      at += length
    } else if (type === wire.fixed64) at += 8
    else if (type === wire.fixed32) at += 4
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
