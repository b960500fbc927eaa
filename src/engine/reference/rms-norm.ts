import type { Attributes } from '../ops.ts'
import type { Kernel } from './kernel.ts'

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
      normaliseVjp(normalised, gain, rstd[m], dy.data, m * width, dx?.data, dGain?.data)
    }
  },
}

/** What qkNorm normalises for itself: columns [at, at + width) of qkv, its gain, and the place of its rstd. */
interface NormalisedPart {
  side: 'query' | 'key'
  at: number
  width: number
}

function normalisedParts({
  queryParts,
  queryWidth,
  keyParts,
  keyWidth,
}: Attributes<'qkNorm'>): NormalisedPart[] {
  const parts = (side: NormalisedPart['side'], begin: number, width: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ side, at: begin + i * width, width }))
  return [
    ...parts('query', 0, queryWidth, queryParts),
    ...parts('key', queryParts * queryWidth, keyWidth, keyParts),
  ]
}

/**
 * rmsNorm over each of the queries' parts with qGain and each of the keys' with kGain; the values are copied.
 * Source: Henry et al. 2020, https://arxiv.org/abs/2010.04245, in the forms of Qwen3 (each head) and OLMo 2 (all heads)
 *
 * qkv [M, queries, keys and values], gains [width of a part] → y like qkv, rstd [M, queryParts + keyParts]
 */
export const qkNorm: Kernel<'qkNorm'> = {
  forward({ qkv, qGain, kGain }, { y, rstd }, shape) {
    const parts = normalisedParts(shape)
    y.data.set(qkv.data)
    for (let m = 0; m < qkv.rows; m += 1)
      parts.forEach(({ side, at, width }, i) => {
        const gain = side === 'query' ? qGain.data : kGain.data
        const scale = normalise(qkv.data, gain, m * qkv.columns + at, width, shape.eps, y.data)
        if (rstd) rstd.data[m * parts.length + i] = scale
      })
  },
  vjp(saved, { y: dy }, wanted, shape) {
    const { qkv, qGain, kGain, rstd } = saved
    const parts = normalisedParts(shape)
    const values = shape.queryParts * shape.queryWidth + shape.keyParts * shape.keyWidth
    for (let m = 0; m < dy.rows; m += 1) {
      const row = m * dy.columns
      parts.forEach(({ side, at, width }, i) => {
        const [gain, dGain] = side === 'query' ? [qGain, wanted.qGain] : [kGain, wanted.kGain]
        const scale = rstd.data[m * parts.length + i]
        const normalised = Float64Array.from({ length: width }, (_, j) => qkv.data[row + at + j] * scale)
        normaliseVjp(normalised, gain.data, scale, dy.data, row + at, wanted.qkv?.data, dGain?.data)
      })
      if (wanted.qkv)
        for (let i = row + values; i < row + dy.columns; i += 1) wanted.qkv.data[i] += dy.data[i]
    }
  },
}

/** Normalises x[at … at + width) into y and returns rstd. */
function normalise(
  x: Float32Array,
  gain: Float32Array,
  at: number,
  width: number,
  eps: number,
  y: Float32Array,
): number {
  let squares = 0
  for (let i = at; i < at + width; i += 1) squares += x[i] * x[i]
  const rstd = 1 / Math.sqrt(squares / width + eps)
  for (let i = 0; i < width; i += 1) y[at + i] = x[at + i] * rstd * gain[i]
  return rstd
}

/** Gradients of one normalised row whose dy begins at `at`; adds to dx[at …] and dGain. */
function normaliseVjp(
  normalised: Float64Array,
  gain: Float32Array,
  rstd: number,
  dy: Float32Array,
  at: number,
  dx?: Float32Array,
  dGain?: Float32Array,
): void {
  const width = normalised.length
  let projection = 0
  for (let i = 0; i < width; i += 1) projection += gain[i] * dy[at + i] * normalised[i]
  projection /= width
  for (let i = 0; i < width; i += 1) {
    if (dx) dx[at + i] += rstd * (gain[i] * dy[at + i] - normalised[i] * projection)
    if (dGain) dGain[i] += dy[at + i] * normalised[i]
  }
}
