/** Numbers for the test cases: the same on every machine and in every run. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number
  /** Standard normal values, times `scale`, as float32. */
  normal(count: number, scale?: number): Float32Array
  /** Whole numbers in [0, end). */
  integers(count: number, end: number): Int32Array
}

/** The generator mulberry32; normal values by Box and Muller. */
export function random(seed: number): Random {
  let state = seed >>> 0
  function uniform(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let h = Math.imul(state ^ (state >>> 15), state | 1)
    h ^= h + Math.imul(h ^ (h >>> 7), h | 61)
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    uniform,
    normal: (count, scale = 1) =>
      Float32Array.from(
        { length: count },
        () => scale * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
      ),
    integers: (count, end) => Int32Array.from({ length: count }, () => Math.floor(uniform() * end)),
  }
}
