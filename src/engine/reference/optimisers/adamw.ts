import type { Kernel } from '../kernel.ts'

/**
 * stats = [norm, clip]: norm = sqrt(Σ g²), clip = min(1, maxNorm / (norm + 1e-6)), and 1 where maxNorm is 0.
 * Source: PyTorch's clip_grad_norm_
 */
export const gradNorm: Kernel<'gradNorm'> = {
  forward({ gradients }, { stats }, { maxNorm }) {
    let squares = 0
    for (const g of gradients.data) squares += g * g
    const norm = Math.sqrt(squares)
    stats.data[0] = norm
    stats.data[1] = maxNorm === 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6))
  },
  vjp: null,
}

/**
 * AdamW in place, with g = clip · gradient:
 * m = β1 m + (1−β1) g,  v = β2 v + (1−β2) g²,  p = p (1 − lr·decay) − lr · (m / c1) / (sqrt(v / c2) + eps).
 * Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101, as PyTorch computes it
 *
 * hyper = [lr, β1, β2, eps, decay, c1, c2], c = 1 − β^step; all others have the parameters' shape
 */
export const adamw: Kernel<'adamw'> = {
  forward({ parameters, gradients, m, v, stats, hyper }) {
    const [rate, beta1, beta2, eps, decay, correction1, correction2] = hyper.data
    const clip = stats?.data[1] ?? 1
    for (let i = 0; i < parameters.data.length; i += 1) {
      const g = clip * gradients.data[i]
      const mean = beta1 * m.data[i] + (1 - beta1) * g
      const square = beta2 * v.data[i] + (1 - beta2) * g * g
      m.data[i] = mean
      v.data[i] = square
      const step = (rate * (mean / correction1)) / (Math.sqrt(square / correction2) + eps)
      parameters.data[i] = parameters.data[i] * (1 - rate * decay) - step
    }
  },
  vjp: null,
}
