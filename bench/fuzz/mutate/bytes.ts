import type { Random } from './random.ts'

/** Numbers at which readers of sizes and offsets go wrong. */
const bounds = [
  0n,
  1n,
  7n,
  127n,
  128n,
  255n,
  256n,
  32767n,
  65535n,
  65536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 8n,
]

/**
 * Changes one to three places of a file. Half of them lie in its first bytes, where headers are.
 *
 * @param headerBytes  where the header ends
 */
export function mutateBytes(random: Random, bytes: Uint8Array, headerBytes: number): Uint8Array {
  let mutated: Uint8Array = Uint8Array.from(bytes)
  for (let count = 1 + random.below(3); count > 0; count -= 1)
    mutated = mutateOnce(random, mutated, headerBytes)
  return mutated
}

function mutateOnce(random: Random, bytes: Uint8Array, headerBytes: number): Uint8Array {
  const end = random.next() < 0.5 ? Math.min(headerBytes, bytes.length) : bytes.length
  const at = random.below(Math.max(1, end))
  const length = 1 + random.below(random.of([4, 16, 200, 5000]))
  const splice = (removed: number, inserted: Uint8Array) =>
    Uint8Array.from(Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]))
  switch (random.below(9)) {
    case 0:
      bytes[at] ^= 1 << random.below(8)
      return bytes
    case 1:
      bytes[at] = random.below(256)
      return bytes
    case 2: {
      const view = new DataView(bytes.buffer)
      const bound = random.of(bounds)
      if (at + 8 <= bytes.length && random.next() < 0.5) view.setBigUint64(at, bound, true)
      else if (at + 4 <= bytes.length) view.setUint32(at, Number(bound & 0xffffffffn), true)
      return bytes
    }
    case 3:
      return bytes.slice(0, at)
    case 4:
      return splice(length, new Uint8Array())
    case 5:
      return splice(0, bytes.subarray(at, at + length))
    case 6:
      return splice(
        0,
        Uint8Array.from({ length }, () => random.below(256)),
      )
    case 7:
      return bytes.fill(random.of([0, 255]), at, at + length)
    default: {
      const other = random.below(bytes.length)
      bytes.copyWithin(at, other, other + length)
      return bytes
    }
  }
}
