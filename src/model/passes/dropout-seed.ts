/** Which masks a training pass draws. */
export interface PassDropout {
  /** Seed of the run, 0 … 2³² − 1. */
  seed: number
  /** Number of the pass in the run, 0 for the first; never one that this run has used before. */
  pass: number
}

/**
 * dropoutSeed[0] of a pass. The places of a model draw their masks from this number plus their own (0 … places − 1), and what
 * they get never comes twice in a run:
 *
 * 1. Let 2^a be the first power of two that is not below `places`. A pass gets 2^a · p with p in [0, 2^(32−a)), so the numbers
 *    that its places get lie in a block of 2^a numbers, all below 2³². Different p have different blocks.
 * 2. p is `scattered(pass)`, a one-to-one map of [0, 2^(32−a)) onto itself: different passes have different p.
 * 3. The mask of a place follows from its number n by n · (an odd constant) modulo 2³² (engine/dropout.ts), which is one-to-one too.
 *
 * This holds for 2^(32−a) passes: 33 million with 30 layers. The map depends on the run's seed in the middle of its rounds, so the
 * passes of another seed are another order of the same blocks, not the same order moved along, as they would be if the seed were
 * added. Nothing is drawn one after the other: a step that is made again, after a resume, finds its masks by its number.
 *
 * @param places  places with dropout, numbered from 0
 */
export function dropoutSeedOf({ seed, pass }: PassDropout, places: number): number {
  const bits = 32 - Math.ceil(Math.log2(places))
  return scattered(pass, seed, bits) * 2 ** (32 - bits)
}

/** A number in [0, 2^bits) for each one, no two alike: every step is one-to-one modulo 2^bits. */
function scattered(value: number, seed: number, bits: number): number {
  const mask = 2 ** bits - 1
  const half = (bits + 1) >> 1
  let x = value & mask
  for (const [factor, key] of [
    [0x7feb352d, mixed(seed)],
    [0x846ca68b, mixed(seed ^ 0x9e3779b9)],
    [0x2c1b3c6d, 0],
  ]) {
    x ^= x >>> half // the upper half stays as it is, so the lower one can be had back
    x = Math.imul(x, factor) & mask // odd
    x ^= key & mask
  }
  x ^= x >>> half
  return x >>> 0
}

/** lowbias32, https://nullprogram.com/blog/2018/07/31/ */
function mixed(x: number): number {
  let h = x >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d)
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b)
  return (h ^ (h >>> 16)) >>> 0
}
