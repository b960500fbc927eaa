import type { Attributes } from '../ops.ts'
import type { Kernel, Matrix } from './kernel.ts'

/**
 * Root mean square normalisation: y = x · rstd · gain, rstd = 1 / sqrt(mean(x²) + eps).
 * With n = x · rstd:  x' = rstd · (gain·y' − n · mean(gain·y' · n)),  gain' = Σ_m y' · n.
 * Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467
 *
 * x [M, W], gain [W] → y [M, W], rstd [M]
 */
export const rmsNorm: Kernel<'rmsNorm'> = {
  forward({ x, gain }, { y, rstd }, { eps }) {
    const width = x.columns
    for (let m = 0; m < x.rows; m += 1) {
      const scale = normalise(x.data, gain.data, m * width, width, eps, y.data)
      if (rstd) rstd.data[m] = scale
    }
  },
  vjp(saved, { y: dy }, { x: dx, gain: dGain }, { fromOutput }) {
    const gain = saved.gain.data
    const rstd = saved.rstd.data
    const source = fromOutput === 1 ? saved.y.data : saved.x.data
    const width = dy.columns
    const normalised = new Float64Array(width)
    for (let m = 0; m < dy.rows; m += 1) {
      for (let i = 0; i < width; i += 1)
        normalised[i] = fromOutput === 1 ? source[m * width + i] / gain[i] : source[m * width + i] * rstd[m]
      normaliseVjp(normalised, gain, rstd[m], dy.data, m * width, dx?.data, m * width, dGain?.data)
    }
  },
}

/** What qkNorm normalises for itself: columns [from, from + width) of qkv, which become [at, at + width) of y. */
interface NormalisedPart {
  side: 'query' | 'key' | 'value'
  from: number
  at: number
  width: number
}

/** Where the values of qkNorm begin: in qkv, and in y. */
function valuesOf({ queryParts, queryWidth, keyParts, keyWidth, givenWidth }: Attributes<'qkNorm'>) {
  const keys = queryParts * queryWidth
  const at = keys + keyParts * keyWidth
  return { from: givenWidth === 0 ? keys : at, at }
}

function normalisedParts(shape: Attributes<'qkNorm'>): NormalisedPart[] {
  const { queryParts, queryWidth, keyParts, keyWidth, valueParts, valueWidth } = shape
  const { from: valuesFrom, at: valuesAt } = valuesOf(shape)
  const parts = (side: NormalisedPart['side'], from: number, at: number, width: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ side, from: from + i * width, at: at + i * width, width }))
  const keys = queryParts * queryWidth
  return [
    ...parts('query', 0, 0, queryWidth, queryParts),
    ...parts('key', keys, keys, keyWidth, keyParts),
    ...parts('value', valuesFrom, valuesAt, valueWidth / valueParts, valueParts),
  ]
}

/**
 * rmsNorm over each of the queries' parts with qGain and each of the keys' with kGain; the values are copied, or normalised
 * without a gain.
 * Source: Henry et al. 2020, https://arxiv.org/abs/2010.04245, in the forms of Qwen3 (each head), OLMo 2 (all heads) and Gemma 4
 * (values too)
 *
 * qkv [M, queries, keys and values], gains [width of a part] → y like qkv, rstd [M, queryParts + keyParts + valueParts]
 */
export const qkNorm: Kernel<'qkNorm'> = {
  forward({ qkv, qGain, kGain }, { y, rstd }, shape) {
    const parts = normalisedParts(shape)
    const values = valuesOf(shape)
    for (let m = 0; m < qkv.rows; m += 1) {
      const [row, out] = [m * qkv.columns, m * y.columns]
      for (let i = 0; i < shape.valueWidth; i += 1)
        y.data[out + values.at + i] = qkv.data[row + values.from + i]
      parts.forEach(({ side, from, at, width }, i) => {
        const gain = gainOf(side, qGain, kGain)
        const scale = normalise(qkv.data, gain, row + from, width, shape.eps, y.data, out + at)
        if (rstd) rstd.data[m * parts.length + i] = scale
      })
    }
  },
  vjp(saved, { y: dy }, wanted, shape) {
    const { qkv, qGain, kGain, rstd } = saved
    const parts = normalisedParts(shape)
    const values = valuesOf(shape)
    const dx = wanted.qkv
    for (let m = 0; m < dy.rows; m += 1) {
      const [row, out] = [m * qkv.columns, m * dy.columns]
      parts.forEach(({ side, from, at, width }, i) => {
        const dGain = gainOf(side, wanted.qGain, wanted.kGain)
        const scale = rstd.data[m * parts.length + i]
        const normalised = Float64Array.from({ length: width }, (_, j) => qkv.data[row + from + j] * scale)
        const gain = gainOf(side, qGain, kGain)
        normaliseVjp(normalised, gain, scale, dy.data, out + at, dx?.data, row + from, dGain)
      })
      if (!dx || shape.valueParts > 0) continue
      for (let i = 0; i < shape.valueWidth; i += 1)
        dx.data[row + values.from + i] += dy.data[out + values.at + i]
    }
  },
}

function gainOf(side: NormalisedPart['side'], query: Matrix | null, key: Matrix | null) {
  return { query, key, value: null }[side]?.data
}

/** Normalises x[from … from + width) into y[at … at + width) and returns rstd. */
function normalise(
  x: Float32Array,
  gain: Float32Array | undefined,
  from: number,
  width: number,
  eps: number,
  y: Float32Array,
  at = from,
): number {
  let squares = 0
  for (let i = from; i < from + width; i += 1) squares += x[i] * x[i]
  const rstd = 1 / Math.sqrt(squares / width + eps)
  for (let i = 0; i < width; i += 1) y[at + i] = x[from + i] * rstd * (gain ? gain[i] : 1)
  return rstd
}

/** Gradients of one normalised row whose dy begins at `at`; adds to dx[from …] and dGain. */
function normaliseVjp(
  normalised: Float64Array,
  gain: Float32Array | undefined,
  rstd: number,
  dy: Float32Array,
  at: number,
  dx: Float32Array | undefined,
  from: number,
  dGain: Float32Array | undefined,
): void {
  const width = normalised.length
  const gained = Float64Array.from({ length: width }, (_, i) => (gain ? gain[i] : 1) * dy[at + i])
  let projection = 0
  for (let i = 0; i < width; i += 1) projection += gained[i] * normalised[i]
  projection /= width
  for (let i = 0; i < width; i += 1) {
    if (dx) dx[from + i] += rstd * (gained[i] - normalised[i] * projection)
    if (dGain) dGain[i] += dy[at + i] * normalised[i]
  }
}
