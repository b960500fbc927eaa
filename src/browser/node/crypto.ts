// Stands in for node:crypto in bundles for pages: SHA-256 that takes its input in pieces, which the host's own does not, and random
// numbers. Source of the algorithm and its constants: FIPS 180-4.
import { Buffer } from 'buffer'

const primes = firstPrimes(64)
const constants = Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime)))
const start = Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))

/** The first 32 bits behind the point. */
function fraction(x: number): number {
  return Math.floor((x - Math.floor(x)) * 2 ** 32)
}

function firstPrimes(count: number): number[] {
  const found: number[] = []
  for (let n = 2; found.length < count; n += 1) if (found.every((prime) => n % prime !== 0)) found.push(n)
  return found
}

const turn = (x: number, bits: number): number => (x >>> bits) | (x << (32 - bits))

class Sha256 {
  readonly #state = start.slice()
  readonly #words = new Uint32Array(64)
  readonly #block = new Uint8Array(64)
  #filled = 0
  #bytes = 0

  update(data: string | ArrayBufferView): this {
    const bytes =
      typeof data === 'string'
        ? new TextEncoder().encode(data)
        : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    this.#bytes += bytes.length
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(64 - this.#filled, bytes.length - at)
      this.#block.set(bytes.subarray(at, at + count), this.#filled)
      this.#filled += count
      at += count
      if (this.#filled === 64) this.#mix()
    }
    return this
  }

  digest(): Buffer
  digest(encoding: 'hex' | 'base64' | 'base64url' | 'latin1'): string
  digest(encoding?: 'hex' | 'base64' | 'base64url' | 'latin1'): Buffer | string {
    const bits = this.#bytes * 8
    this.update(Uint8Array.of(128))
    while (this.#filled !== 56) this.update(Uint8Array.of(0))
    const length = new DataView(new ArrayBuffer(8))
    length.setUint32(0, Math.floor(bits / 2 ** 32))
    length.setUint32(4, bits >>> 0)
    this.update(new Uint8Array(length.buffer))
    const result = Buffer.alloc(32)
    this.#state.forEach((word, i) => result.writeUInt32BE(word, 4 * i))
    return encoding ? result.toString(encoding) : result
  }

  #mix(): void {
    const words = this.#words
    const view = new DataView(this.#block.buffer)
    for (let i = 0; i < 16; i += 1) words[i] = view.getUint32(4 * i)
    for (let i = 16; i < 64; i += 1) {
      const [a, b] = [words[i - 15], words[i - 2]]
      const first = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)
      words[i] = words[i - 16] + first + words[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))
    }
    let [a, b, c, d, e, f, g, h] = this.#state
    for (let i = 0; i < 64; i += 1) {
      const choice = (e & f) ^ (~e & g)
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + choice + constants[i] + words[i]) | 0
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0]
    }
    ;[a, b, c, d, e, f, g, h].forEach((word, i) => (this.#state[i] += word))
    this.#filled = 0
  }
}

export type Hash = Sha256

export function createHash(algorithm: string): Sha256 {
  if (algorithm !== 'sha256') throw new Error(`${algorithm} is not in this bundle`)
  return new Sha256()
}

export function hash(
  algorithm: string,
  data: string | ArrayBufferView,
  encoding: 'hex' | 'base64' | 'base64url' = 'hex',
): string {
  return createHash(algorithm).update(data).digest(encoding)
}

export function randomBytes(count: number): Buffer {
  return Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(count)))
}

/** Also where the page is not secure, and the host's own is missing. */
export function randomUUID(): string {
  const bytes = randomBytes(16)
  bytes[6] = (bytes[6] & 15) | 64
  bytes[8] = (bytes[8] & 63) | 128
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
