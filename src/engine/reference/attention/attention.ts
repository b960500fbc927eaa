import { capped } from '../logits/cap-logits.ts'
import type { Kernel } from '../kernel.ts'

/** Where the heads of token m stand in a row of qkv: queries, then keys, then values. */
interface HeadShape {
  headDim: number
  queryHeads: number
  keyHeads: number
  scale: number
  cap: number
  window: number
}

/**
 * Causal attention with grouped heads inside each document: o_i = Σ_j p_ij v_j, p_ij = exp(s_ij − lse_i),
 * lse_i = log Σ_j exp(s_ij) over max(starts[i], i − window + 1) ≤ j ≤ i and the head's sink. One row of scores at a time.
 * s_ij = scale · q_i k_j, or cap · tanh of its cap-th part.
 * With D_i = o'_i · o_i, c_ij = scale · (1 − (s_ij / cap)²) and s'_ij = c_ij p_ij (o'_i · v_j − D_i):
 * v'_j += p_ij o'_i,  q'_i += s'_ij k_j,  k'_j += s'_ij q_i,  sink' −= exp(sink − lse_i) D_i.
 * Sources: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped heads: Ainslie et al. 2023,
 * https://arxiv.org/abs/2305.13245; lse and D: Dao et al. 2022, https://arxiv.org/abs/2205.14135; cap: Gemma Team 2024,
 * https://arxiv.org/abs/2408.00118; sinks: Xiao et al. 2023, https://arxiv.org/abs/2309.17453, in the form of gpt-oss
 *
 * qkv [M, (queryHeads + 2·keyHeads)·headDim], starts [M] → o [M, queryHeads·headDim], lse [M, queryHeads]
 */
export const attention: Kernel<'attention'> = {
  forward({ qkv, starts, sinks }, { o, lse }, shape) {
    const { headDim, queryHeads } = shape
    const { data: x, columns: width } = qkv
    const scores = new Float64Array(qkv.rows)
    const sum = new Float64Array(headDim)
    for (let head = 0; head < queryHeads; head += 1) {
      const [key, value] = keyAndValueColumn(head, shape)
      for (let i = 0; i < qkv.rows; i += 1) {
        const first = firstVisible(i, starts.data[i], shape.window)
        const query = i * width + head * headDim
        for (let j = first; j <= i; j += 1)
          scores[j] = score(dot(x, query, x, j * width + key, headDim), shape)
        const logSum = withSink(logSumExp(scores, first, i + 1), sinks?.data[head])
        if (lse) lse.data[i * queryHeads + head] = logSum
        sum.fill(0)
        for (let j = first; j <= i; j += 1) {
          const p = Math.exp(scores[j] - logSum)
          const at = j * width + value
          for (let d = 0; d < headDim; d += 1) sum[d] += p * x[at + d]
        }
        o.data.set(sum, (i * queryHeads + head) * headDim)
      }
    }
  },
  vjp({ qkv, starts, sinks, o, lse }, { o: dO }, { qkv: dqkv, sinks: dSinks }, shape) {
    const { headDim, queryHeads, scale, cap } = shape
    const { data: x, columns: width } = qkv
    const dx = dqkv?.data
    const dy = dO.data
    const dQuery = new Float64Array(headDim)
    for (let head = 0; head < queryHeads; head += 1) {
      const [key, value] = keyAndValueColumn(head, shape)
      for (let i = 0; i < qkv.rows; i += 1) {
        const query = i * width + head * headDim
        const output = (i * queryHeads + head) * headDim
        const D = dot(dy, output, o.data, output, headDim)
        if (sinks && dSinks)
          dSinks.data[head] -= Math.exp(sinks.data[head] - lse.data[i * queryHeads + head]) * D
        if (!dx) continue
        dQuery.fill(0)
        for (let j = firstVisible(i, starts.data[i], shape.window); j <= i; j += 1) {
          const k = j * width + key
          const v = j * width + value
          const s = score(dot(x, query, x, k, headDim), shape)
          const p = Math.exp(s - lse.data[i * queryHeads + head])
          const slope = cap === 0 ? scale : scale * (1 - (s / cap) ** 2)
          const dScore = slope * p * (dot(dy, output, x, v, headDim) - D)
          for (let d = 0; d < headDim; d += 1) {
            dx[v + d] += p * dy[output + d]
            dx[k + d] += dScore * x[query + d]
            dQuery[d] += dScore * x[k + d]
          }
        }
        for (let d = 0; d < headDim; d += 1) dx[query + d] += dQuery[d]
      }
    }
  },
}

/** The score of a product of query and key. */
export function score(product: number, { scale, cap }: Pick<HeadShape, 'scale' | 'cap'>): number {
  return capped(scale * product, cap)
}

/** log(exp(logSum) + exp(sink)) */
export function withSink(logSum: number, sink: number | undefined): number {
  if (sink === undefined) return logSum
  const larger = Math.max(logSum, sink)
  return larger + Math.log(Math.exp(logSum - larger) + Math.exp(sink - larger))
}

/** First token that token i sees. */
export function firstVisible(i: number, start: number, window: number): number {
  return window === 0 ? start : Math.max(start, i - window + 1)
}

/** Columns in qkv of the key and value head that a query head shares with its group. */
function keyAndValueColumn(head: number, { headDim, queryHeads, keyHeads }: HeadShape): [number, number] {
  const group = Math.floor(head / (queryHeads / keyHeads))
  return [(queryHeads + group) * headDim, (queryHeads + keyHeads + group) * headDim]
}

/** a[i …] · b[j …] over `length` elements. */
export function dot(a: Float32Array, i: number, b: Float32Array, j: number, length: number): number {
  // Two sums, since each addition waits for the one before it.
  let [even, odd] = [0, 0]
  let d = 0
  for (; d + 1 < length; d += 2) {
    even += a[i + d] * b[j + d]
    odd += a[i + d + 1] * b[j + d + 1]
  }
  return d < length ? even + odd + a[i + d] * b[j + d] : even + odd
}

/** log Σ exp of x[begin … end), the maximum taken out so that nothing overflows. */
export function logSumExp(x: Float64Array | Float32Array, begin: number, end: number): number {
  let largest = -Infinity
  for (let i = begin; i < end; i += 1) if (x[i] > largest) largest = x[i]
  let sum = 0
  for (let i = begin; i < end; i += 1) sum += Math.exp(x[i] - largest)
  return largest + Math.log(sum)
}
