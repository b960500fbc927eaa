/**
 * A random order that depends on nothing but (seed, stream): the same on every machine, at every resume. The k-th
 * random number is a hash of (seed, stream, k), so there is no state to save.
 * Order: Fisher and Yates, from the end. Hash: lowbias32, https://nullprogram.com/blog/2018/07/31/
 *
 * @param count   how many items
 * @param stream  tells apart orders of one seed, such as epochs
 * @returns       the numbers 0 … count - 1 in their order
 */
export function shuffledOrder(count: number, seed: number, stream: number): Int32Array {
  const order = inOrder(count)
  const key = mix(mix(seed) ^ Math.imul(stream + 1, 0x9e3779b9))
  for (let i = count - 1; i > 0; i--) {
    // Two rounds: a single one lets neighbouring counters of related keys collide.
    const random = mix(mix(i ^ key) ^ seed)
    const j = Math.floor((random / 2 ** 32) * (i + 1))
    const swapped = order[i]
    order[i] = order[j]
    order[j] = swapped
  }
  return order
}

/** 0 … count - 1 */
export function inOrder(count: number): Int32Array {
  const order = new Int32Array(count)
  for (let i = 0; i < count; i += 1) order[i] = i
  return order
}

/** lowbias32: every bit of the result depends on every bit of `x`. */
function mix(x: number): number {
  let h = x >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d) >>> 0
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b) >>> 0
  return (h ^ (h >>> 16)) >>> 0
}
