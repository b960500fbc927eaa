/**
 * Numbers and booleans that stand behind names in a Python pickle, as `torch.save` writes training_args.bin. Nothing is
 * unpickled, since a pickle is a program: the bytes are searched for a name, and the opcode behind it is read.
 * Source of the opcodes: Python's pickletools.
 *
 * @param bytes  the file; torch's archive does not compress
 * @param names  `learning_rate`, `max_length`
 */
export function pickledNumbers(bytes: Buffer, names: readonly string[]): Record<string, number | boolean> {
  const found: Record<string, number | boolean> = {}
  for (const name of names) {
    for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) {
      const value = isWhole(bytes, at, name.length)
        ? valueAt(bytes, afterMemo(bytes, at + name.length))
        : undefined
      if (value === undefined) continue
      found[name] = value
      break
    }
  }
  return found
}

/** Whether the text's own length stands before it: `max_steps` is also a part of longer names. */
function isWhole(bytes: Buffer, at: number, length: number): boolean {
  const isShort = bytes[at - 2] === 0x8c && bytes[at - 1] === length
  return isShort || (bytes[at - 5] === 0x58 && bytes.readUInt32LE(at - 4) === length)
}

/** Behind BINPUT, LONG_BINPUT or MEMOIZE, which remember the name. */
function afterMemo(bytes: Buffer, at: number): number {
  if (bytes[at] === 0x71) return at + 2
  if (bytes[at] === 0x72) return at + 5
  return bytes[at] === 0x94 ? at + 1 : at
}

/** BINFLOAT, BININT1, BININT2, BININT, NEWTRUE or NEWFALSE. */
function valueAt(bytes: Buffer, at: number): number | boolean | undefined {
  if (at + 9 > bytes.length) return undefined
  switch (bytes[at]) {
    case 0x47:
      return bytes.readDoubleBE(at + 1)
    case 0x4b:
      return bytes[at + 1]
    case 0x4d:
      return bytes.readUInt16LE(at + 1)
    case 0x4a:
      return bytes.readInt32LE(at + 1)
    case 0x88:
      return true
    case 0x89:
      return false
    default:
      return undefined
  }
}
