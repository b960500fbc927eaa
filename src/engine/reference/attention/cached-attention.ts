import { dot, firstVisible, logSumExp, score, withSink } from './attention.ts'
import type { Kernel } from '../kernel.ts'

/**
 * Attention of new tokens to a key and value cache: first each token's k and v are written to
 * cache[slots[m], positions[m]], then each attends to the positions of its slot up to its own, within the window.
 *
 * qkv [M, (queryHeads + 2·keyHeads)·headDim], slots and positions [M], caches [S, C, keyHeads·headDim]
 * → o [M, queryHeads·headDim]
 */
export const cachedAttention: Kernel<'cachedAttention'> = {
  forward({ qkv, slots, positions, keyCache, valueCache, sinks }, { o }, shape) {
    const { headDim, queryHeads, keyHeads, window } = shape
    const width = keyHeads * headDim
    const capacity = keyCache.shape[1]
    for (let m = 0; m < qkv.rows; m += 1) {
      const keys = m * qkv.columns + queryHeads * headDim
      const at = (slots.data[m] * capacity + positions.data[m]) * width
      keyCache.data.set(qkv.data.subarray(keys, keys + width), at)
      valueCache.data.set(qkv.data.subarray(keys + width, keys + 2 * width), at)
    }
    const scores = new Float64Array(capacity)
    const sum = new Float64Array(headDim)
    for (let m = 0; m < qkv.rows; m += 1) {
      const slot = slots.data[m] * capacity * width
      const last = positions.data[m]
      const first = firstVisible(last, 0, window)
      for (let head = 0; head < queryHeads; head += 1) {
        const query = m * qkv.columns + head * headDim
        const column = slot + Math.floor(head / (queryHeads / keyHeads)) * headDim
        for (let j = first; j <= last; j += 1)
          scores[j] = score(dot(qkv.data, query, keyCache.data, column + j * width, headDim), shape)
        const logSum = withSink(logSumExp(scores, first, last + 1), sinks?.data[head])
        sum.fill(0)
        for (let j = first; j <= last; j += 1) {
          const p = Math.exp(scores[j] - logSum)
          for (let d = 0; d < headDim; d += 1) sum[d] += p * valueCache.data[column + j * width + d]
        }
        o.data.set(sum, (m * queryHeads + head) * headDim)
      }
    }
  },
  vjp: null,
}
