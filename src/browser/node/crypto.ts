// Stands in for node:crypto in bundles for pages: SHA-256 that takes its input in pieces, which the host's own does not, and random
// numbers.
import { sha256 } from '@noble/hashes/sha2.js'
import { Buffer } from './buffer.ts'

class Sha256 {
  readonly #state = sha256.create()

  update(data: string | ArrayBufferView): this {
    this.#state.update(
      typeof data === 'string'
        ? new TextEncoder().encode(data)
        : new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    )
    return this
  }

  digest(): Buffer
  digest(encoding: string): string
  digest(encoding?: string): Buffer | string {
    const result = Buffer.from(this.#state.digest())
    return encoding ? result.toString(encoding) : result
  }
}

export type Hash = Sha256

export function createHash(algorithm: string): Sha256 {
  if (algorithm !== 'sha256') throw new Error(`${algorithm} is not in this bundle`)
  return new Sha256()
}

export function hash(algorithm: string, data: string | ArrayBufferView, encoding = 'hex'): string | Buffer {
  const made = createHash(algorithm).update(data)
  return encoding === 'buffer' ? made.digest() : made.digest(encoding)
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
