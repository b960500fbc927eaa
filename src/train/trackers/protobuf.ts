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
