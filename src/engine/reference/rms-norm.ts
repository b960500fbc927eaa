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

/**
 * rmsNorm over each query head with qGain and each key head with kGain; the value heads are copied.
 * Source: Henry et al. 2020, https://arxiv.org/abs/2010.04245, in the form of Qwen3
 *
 * qkv [M, (queryHeads + 2·keyHeads)·headDim], gains [headDim] → y like qkv, rstd [M, queryHeads + keyHeads]
 */
export const qkNorm: Kernel<'qkNorm'> = {
  forward({ qkv, qGain, kGain }, { y, rstd }, { eps, headDim, queryHeads, keyHeads }) {
    const heads = queryHeads + keyHeads
    y.data.set(qkv.data)
    for (let m = 0; m < qkv.rows; m += 1) {
      for (let head = 0; head < heads; head += 1) {
        const gain = head < queryHeads ? qGain.data : kGain.data
        const at = m * qkv.columns + head * headDim
        const scale = normalise(qkv.data, gain, at, headDim, eps, y.data)
        if (rstd) rstd.data[m * heads + head] = scale
      }
    }
  },
  vjp(saved, { y: dy }, wanted, { headDim, queryHeads, keyHeads }) {
    const { qkv, qGain, kGain, rstd } = saved
    const heads = queryHeads + keyHeads
    const normalised = new Float64Array(headDim)
    for (let m = 0; m < dy.rows; m += 1) {
      const row = m * dy.columns
      for (let head = 0; head < heads; head += 1) {
        const [gain, dGain] = head < queryHeads ? [qGain, wanted.qGain] : [kGain, wanted.kGain]
        const at = row + head * headDim
        const scale = rstd.data[m * heads + head]
        for (let i = 0; i < headDim; i += 1) normalised[i] = qkv.data[at + i] * scale
        normaliseVjp(normalised, gain.data, scale, dy.data, at, wanted.qkv?.data, dGain?.data)
      }
      if (wanted.qkv)
        for (let i = row + heads * headDim; i < row + dy.columns; i += 1) wanted.qkv.data[i] += dy.data[i]
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
