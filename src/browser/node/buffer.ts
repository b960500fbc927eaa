// Stands in for node:buffer in bundles for pages: of Node's Buffer what fettle and csv-parse use. test/browser/buffer.test.ts holds it
// against Node's own, and every way of reading or writing numbers that src/ uses to one that is here.
const views = {
  Int8: 'Int8',
  UInt8: 'Uint8',
  Int16: 'Int16',
  UInt16: 'Uint16',
  Int32: 'Int32',
  UInt32: 'Uint32',
  BigInt64: 'BigInt64',
  BigUInt64: 'BigUint64',
  Float: 'Float32',
  Double: 'Float64',
} as const

class Bytes extends Uint8Array {
  /** In the same memory, as Node's: unlike that of other typed arrays. */
  override slice(start?: number, end?: number): Bytes {
    return this.subarray(start, end) as Bytes
  }

  override toString(encoding = 'utf8', start = 0, end = this.length): string {
    const bytes = this.subarray(start, end)
    if (encoding === 'utf8' || encoding === 'utf-8')
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    if (encoding === 'hex') return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    let text = ''
    for (let at = 0; at < bytes.length; at += 4096)
      text += String.fromCharCode(...bytes.subarray(at, at + 4096))
    if (encoding === 'latin1') return text
    if (encoding === 'base64') return btoa(text)
    if (encoding === 'base64url')
      return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
    throw new Error(`${encoding} is not in this bundle`)
  }

  copy(target: Uint8Array, at = 0, start = 0, end = this.length): number {
    const part = this.subarray(start, Math.min(end, start + target.length - at))
    target.set(part, at)
    return part.length
  }

  equals(other: Uint8Array): boolean {
    return compare(this, other) === 0
  }

  compare(other: Uint8Array, start = 0, end = other.length): number {
    return compare(this, other.subarray(start, end))
  }

  /** A whole number of up to six bytes, the highest first. */
  readUIntBE(at: number, count: number): number {
    return this.subarray(at, at + count).reduce((sum, byte) => 256 * sum + byte, 0)
  }
}

for (const [name, kind] of Object.entries(views))
  for (const end of name.endsWith('8') ? [''] : ['LE', 'BE']) {
    const isLow = end === 'LE'
    const bytes = Number(/\d+$/.exec(kind)?.[0]) / 8
    const viewOf = ({ buffer, byteOffset, byteLength }: Bytes) => new DataView(buffer, byteOffset, byteLength)
    Object.assign(Bytes.prototype, {
      [`read${name}${end}`](this: Bytes, at = 0) {
        return viewOf(this)[`get${kind}`](at, isLow)
      },
      [`write${name}${end}`](this: Bytes, value: never, at = 0) {
        viewOf(this)[`set${kind}`](at, value, isLow)
        return at + bytes
      },
    })
  }

function from(
  value: string | ArrayLike<number> | ArrayBuffer,
  offset?: number | string,
  length?: number,
): Bytes {
  if (value instanceof ArrayBuffer) return new Bytes(value, Number(offset ?? 0), length)
  if (typeof value !== 'string') return new Bytes(value)
  if (offset !== undefined && offset !== 'utf8' && offset !== 'utf-8')
    throw new Error(`${offset} is not in this bundle`)
  return new Bytes(new TextEncoder().encode(value).buffer)
}

function alloc(size: number, fill: number | string = 0): Bytes {
  return new Bytes(size).fill(typeof fill === 'string' ? fill.charCodeAt(0) : fill)
}

function concat(parts: readonly Uint8Array[]): Bytes {
  const all = new Bytes(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function compare(one: Uint8Array, other: Uint8Array): number {
  const shared = Math.min(one.length, other.length)
  let at = 0
  while (at < shared && one[at] === other[at]) at += 1
  return Math.sign(at < shared ? one[at] - other[at] : one.length - other.length)
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length
const isBuffer = (value: unknown): boolean => value instanceof Bytes

const made = { from, alloc, allocUnsafe: alloc, concat, compare, byteLength, isBuffer }
export const Buffer: typeof made = Object.assign(Bytes, made)
export type Buffer = Bytes

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
