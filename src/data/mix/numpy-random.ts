/**
 * The random numbers of numpy.random.default_rng(seed), as far as `datasets` mixes and shuffles with them: PCG64, seeded by
 * SeedSequence.
 * Sources: O'Neill 2014, https://www.pcg-random.org/pdf/hmc-cs-2014-0905.pdf; numpy's bit_generator.pyx and src/pcg64
 */
export interface NumpyRandom {
  /** A number in [0, 1): `rng.random()`. */
  double(): number
  /** The numbers 0 … count - 1 in random order: `rng.permutation(count)`. */
  permutation(count: number): Int32Array
}

const mask128 = (1n << 128n) - 1n
const mask64 = (1n << 64n) - 1n
const multiplier = (2549297995355413924n << 64n) | 4865540595714422341n

/** @param seed  a whole number of 32 bits */
export function createNumpyRandom(seed: number): NumpyRandom {
  const [stateHigh, stateLow, streamHigh, streamLow] = seedWords(seed)
  const increment = ((((streamHigh << 64n) | streamLow) << 1n) | 1n) & mask128
  let state = increment
  const step = (): void => {
    state = (state * multiplier + increment) & mask128
  }
  state = (state + ((stateHigh << 64n) | stateLow)) & mask128
  step()
  /** The other half of a number of 64 bits, which the next one of 32 bits is. */
  let half: number | undefined

  function next64(): bigint {
    step()
    const folded = ((state >> 64n) ^ state) & mask64
    const turn = state >> 122n
    return ((folded >> turn) | (folded << (64n - turn))) & mask64
  }

  function next32(): number {
    if (half !== undefined) {
      const value = half
      half = undefined
      return value
    }
    const both = next64()
    half = Number(both >> 32n)
    return Number(both & 0xffffffffn)
  }

  /** A whole number from 0 to `most`, each equally likely: draws until the bits that matter are not above it. */
  function upTo(most: number): number {
    const bits = 0xffffffff >>> Math.clz32(most)
    for (;;) {
      const value = (next32() & bits) >>> 0
      if (value <= most) return value
    }
  }

  return {
    double: () => Number(next64() >> 11n) / 2 ** 53,
    permutation(count) {
      const order = Int32Array.from({ length: count }, (_, i) => i)
      for (let i = count - 1; i > 0; i -= 1) {
        const j = upTo(i)
        const swapped = order[i]
        order[i] = order[j]
        order[j] = swapped
      }
      return order
    },
  }
}

/** Four numbers of 64 bits from a seed: numpy's SeedSequence(seed).generate_state(4, uint64). */
function seedWords(seed: number): [bigint, bigint, bigint, bigint] {
  let constant = 0x43b0d7e5
  const hashed = (value: number): number => {
    const mixed = value ^ constant
    constant = Math.imul(constant, 0x931e8875)
    const product = Math.imul(mixed, constant)
    return product ^ (product >>> 16)
  }
  const mixed = (x: number, y: number): number => {
    const sum = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)
    return sum ^ (sum >>> 16)
  }
  const pool = [seed, 0, 0, 0].map(hashed)
  for (let from = 0; from < 4; from += 1)
    for (let to = 0; to < 4; to += 1) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]))
  let output = 0x8b51f9dd
  const word = (at: number): bigint => {
    const turned = pool[at % 4] ^ output
    output = Math.imul(output, 0x58f38ded)
    const product = Math.imul(turned, output)
    return BigInt((product ^ (product >>> 16)) >>> 0)
  }
  const pair = (at: number): bigint => word(at) | (word(at + 1) << 32n)
  return [pair(0), pair(2), pair(4), pair(6)]
}
