import { softmaxOf } from './route.ts'
import type { Kernel } from '../kernel.ts'

/**
 * y = usage + [n; P], n_e the rows of expert e, P = Σ_m p[m], p = softmax(logits[m]);
 * logits'[m] = p ∘ (P' − p · P'), and the usage's gradient is y'.
 *
 * logits [M, E], ends [E], usage [2, E] → y [2, E]
 */
export const countExperts: Kernel<'countExperts'> = {
  forward({ logits, ends, usage }, { y }) {
    const E = logits.columns
    const sums = new Float64Array(E)
    for (let m = 0; m < logits.rows; m += 1)
      softmaxOf(logits, m, null).forEach((p, expert) => (sums[expert] += p))
    for (let expert = 0; expert < E; expert += 1) {
      const rows = ends.data[expert] - (expert === 0 ? 0 : ends.data[expert - 1])
      y.data[expert] = (usage?.data[expert] ?? 0) + rows
      y.data[E + expert] = (usage?.data[E + expert] ?? 0) + sums[expert]
    }
  },
  vjp({ logits }, { y: dy }, { logits: dLogits }) {
    if (dLogits === null) return
    const E = logits.columns
    const dP = dy.data.subarray(E)
    for (let m = 0; m < logits.rows; m += 1) {
      const p = softmaxOf(logits, m, null)
      const mean = p.reduce((sum, value, expert) => sum + value * dP[expert], 0)
      p.forEach((value, expert) => (dLogits.data[m * E + expert] += value * (dP[expert] - mean)))
    }
  },
}

/**
 * loss = c · E · Σ_e n_e P_e / rows², rows = Σ n / topK;  P_e' = c · E · n_e / rows². The numbers n have no gradient.
 * Source: Fedus et al. 2021, https://arxiv.org/abs/2101.03961, equations 4 to 6, over all layers together
 *
 * usage [2, E] → loss [1], dUsage [2, E]
 */
export const balanceLoss: Kernel<'balanceLoss'> = {
  forward({ usage }, { loss, dUsage }, { topK, coefficient }) {
    const E = usage.columns
    const counts = usage.data.subarray(0, E)
    const rows = counts.reduce((sum, count) => sum + count, 0) / topK
    const factor = (coefficient * E) / rows ** 2
    loss.data[0] = factor * counts.reduce((sum, count, expert) => sum + count * usage.data[E + expert], 0)
    dUsage?.data.fill(0, 0, E)
    counts.forEach((count, expert) => dUsage && (dUsage.data[E + expert] = factor * count))
  },
  vjp: null,
}
