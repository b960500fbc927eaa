import type { RowKey } from './row-key.ts'

/**
 * Whether a row is held out for evaluation. Its content and the seed alone decide: a row stays on its side when a run is resumed, when the
 * data grows or is mixed otherwise, and rows that say the same are on one side.
 *
 * @param fraction  the part that is held out on average, above 0 and below 1
 */
export function isHeldOut([, , first, second]: RowKey, fraction: number, seed: number): boolean {
  return placeOf(first, second, seed) < fraction
}

/** A number in [0, 1) that a row has with a seed. */
function placeOf(first: number, second: number, seed: number): number {
  // Two rounds: a single one would let seeds that differ in one bit hold out related rows.
  return mix(mix(first ^ mix(seed)) ^ second) / 2 ** 32
}

/** Every bit of the result depends on every bit of `x`. Source: lowbias32, https://nullprogram.com/blog/2018/07/31/ */
function mix(x: number): number {
  let h = x >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d) >>> 0
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b) >>> 0
  return (h ^ (h >>> 16)) >>> 0
}
