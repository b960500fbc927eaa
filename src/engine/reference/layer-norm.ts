import type { Kernel } from './kernel.ts'

/**
 * y = n · gain + bias, n = (x − mean) · rstd, rstd = 1 / sqrt(mean((x − mean)²) + eps).
 * With g = gain·y':  x' = rstd · (g − mean(g) − n · mean(g · n)),  gain' = Σ_m y' · n,  bias' = Σ_m y'.
 * Source: Ba et al. 2016, https://arxiv.org/abs/1607.06450
 *
 * x [M, W], gain and bias [W] → y [M, W], mean and rstd [M]
 */
export const layerNorm: Kernel<'layerNorm'> = {
  forward({ x, gain, bias }, { y, mean, rstd }, { eps }) {
    const width = x.columns
    for (let m = 0; m < x.rows; m += 1) {
      const row = x.data.subarray(m * width, (m + 1) * width)
      const middle = row.reduce((sum, value) => sum + value, 0) / width
      const variance = row.reduce((sum, value) => sum + (value - middle) ** 2, 0) / width
      const scale = 1 / Math.sqrt(variance + eps)
      row.forEach((value, i) => {
        y.data[m * width + i] = (value - middle) * scale * gain.data[i] + bias.data[i]
      })
      if (mean) mean.data[m] = middle
      if (rstd) rstd.data[m] = scale
    }
  },
  vjp({ x, gain, mean, rstd }, { y: dy }, { x: dx, gain: dGain, bias: dBias }) {
    const width = dy.columns
    for (let m = 0; m < dy.rows; m += 1) {
      const at = m * width
      const normalised = (i: number) => (x.data[at + i] - mean.data[m]) * rstd.data[m]
      let [sum, projection] = [0, 0]
      for (let i = 0; i < width; i += 1) {
        const g = gain.data[i] * dy.data[at + i]
        sum += g
        projection += g * normalised(i)
      }
      for (let i = 0; i < width; i += 1) {
        const d = gain.data[i] * dy.data[at + i] - sum / width - (normalised(i) * projection) / width
        if (dx) dx.data[at + i] += rstd.data[m] * d
        if (dGain) dGain.data[i] += dy.data[at + i] * normalised(i)
        if (dBias) dBias.data[i] += dy.data[at + i]
      }
    }
  },
}
