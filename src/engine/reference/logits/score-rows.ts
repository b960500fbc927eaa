import type { Kernel } from '../kernel.ts'

/**
 * A score of each row, scores = h · W; with w = weights, −∂loss/∂scores: h' = −w W (made forward), W' = −Σ w h.
 * hidden [m, H], weight [1, H], weights [m] → scores [m], dHidden [m, H]
 */
export const scoreRows: Kernel<'scoreRows'> = {
  forward({ hidden, weight, weights }, { scores, dHidden }) {
    const width = hidden.columns
    for (let m = 0; m < hidden.rows; m += 1) {
      let sum = 0
      for (let i = 0; i < width; i += 1) {
        sum += hidden.data[m * width + i] * weight.data[i]
        if (dHidden) dHidden.data[m * width + i] = -(weights?.data[m] ?? 1) * weight.data[i]
      }
      scores.data[m] = sum
    }
  },
  vjp({ hidden, weights }, _, { weight: dWeight }) {
    if (dWeight === null) return
    const width = hidden.columns
    for (let m = 0; m < hidden.rows; m += 1)
      for (let i = 0; i < width; i += 1)
        dWeight.data[i] -= (weights?.data[m] ?? 1) * hidden.data[m * width + i]
  },
}
