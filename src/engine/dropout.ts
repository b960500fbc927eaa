/**
 * Counter-based dropout: whether an element is kept depends on (seed, segment, element) alone, so that a
 * recomputation, another thread count or another engine draws the same mask.
 * The mixer is lowbias32, https://nullprogram.com/blog/2018/07/31/
 *
 * @param element    row · width + column, modulo 2³²
 * @param threshold  floor(p · 2³²); kept when the hash is not below it
 */
export function dropoutKeeps(seed: number, segment: number, element: number, threshold: number): boolean {
  return mixed((element ^ (Math.imul(seed, 0x9e3779b9) + Math.imul(segment, 0x85ebca6b))) >>> 0) >= threshold
}

/** A number in (−1, 1) that depends on (seed, element) alone: one of 2²⁴, alike on both sides of zero. */
export function noiseAt(seed: number, element: number): number {
  const steps = mixed((element ^ Math.imul(seed, 0x9e3779b9)) >>> 0) >>> 8
  return (2 * steps + 1) / 2 ** 24 - 1
}

function mixed(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b) >>> 0
  return (h ^ (h >>> 16)) >>> 0
}
