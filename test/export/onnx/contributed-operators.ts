import type { ReadNode, Value } from './read-onnx.ts'
import { concatenated, element, floats, made, transposed } from './shaped-values.ts'

/** Operators of onnxruntime, by its documentation: docs/ContribOperators.md of microsoft/onnxruntime. */

/** Halves of heads turned by cos and sin of their tokens' rows. */
export function rotated({ attributes }: ReadNode, [x, positions, cos, sin]: Value[]): Value {
  const [, , width] = x.shape
  const headDim = width / Number(attributes['num_heads'])
  const half = cos.shape[1]
  return made(x.shape, x, ([b, t, column]) => {
    const at = column % headDim
    const own = element(x, [b, t, column])
    if (at >= 2 * half) return own
    const row = element(positions, [b, t])
    const i = at % half
    const other = element(x, [b, t, at < half ? column + half : column - half])
    const turned = other * element(sin, [row, i])
    return own * element(cos, [row, i]) + (at < half ? -turned : turned)
  })
}

/** Causal attention of grouped heads, with a bias beside the scores; out, present keys and values. */
export function attend({ attributes }: ReadNode, inputs: Value[]): Value[] {
  const [q, k, v, pastKeys, pastValues, , , , , , bias] = inputs
  const [batch, count, width] = q.shape
  const heads = Number(attributes['num_heads'])
  const keyHeads = Number(attributes['kv_num_heads'])
  const headDim = width / heads
  const apart = (x: Value) =>
    transposed({ shape: [batch, count, keyHeads, headDim], data: x.data }, [0, 2, 1, 3])
  const keys = concatenated([pastKeys, apart(k)], 2)
  const values = concatenated([pastValues, apart(v)], 2)
  const past = pastKeys.shape[2]
  const total = past + count
  const out = floats(q.shape)
  for (let b = 0; b < batch; b += 1)
    for (let h = 0; h < heads; h += 1)
      for (let t = 0; t < count; t += 1) {
        const rows = (b * keyHeads + Math.floor((h * keyHeads) / heads)) * total
        const query = (b * count + t) * width + h * headDim
        const scores = Array.from({ length: past + t + 1 }, (_, j) => {
          let sum = 0
          for (let i = 0; i < headDim; i += 1) sum += q.data[query + i] * keys.data[(rows + j) * headDim + i]
          return sum * Number(attributes['scale']) + (bias ? element(bias, [b, 0, t, j]) : 0)
        })
        const largest = Math.max(...scores)
        const powers = scores.map((score) => Math.exp(score - largest))
        const sum = powers.reduce((a, c) => a + c)
        powers.forEach((power, j) => {
          for (let i = 0; i < headDim; i += 1)
            out.data[query + i] += (power / sum) * values.data[(rows + j) * headDim + i]
        })
      }
  return [out, keys, values]
}

/** The numbers of codes [rows, blocks, bytes], counted from the middle, in blocks of 32. */
export function dequantized(codes: Value, scales: Value, bits: number, shape: [number, number]): Value {
  const out = floats(shape)
  out.data.forEach((_, i) => {
    const code = bits === 8 ? codes.data[i] : (codes.data[i >> 1] >> (4 * (i & 1))) & 15
    out.data[i] = (code - 2 ** (bits - 1)) * scales.data[i >> 5]
  })
  return out
}
