import { dropoutKeeps } from '../dropout.ts'
import type { Attributes } from '../ops.ts'
import type { Kernel } from './kernel.ts'

/**
 * y = k · x with k = keep / (1 − p), or (1 − k) · x;  x' = the same of y'. x [M, K] → y [M, K].
 * Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
 */
export const dropout: Kernel<'dropout'> = {
  forward({ x, dropoutSeed }, { y }, attributes) {
    const factor = factors(attributes, dropoutSeed.data[0])
    for (let i = 0; i < x.data.length; i += 1) y.data[i] = factor(i) * x.data[i]
  },
  vjp({ dropoutSeed }, { y: dy }, { x: dx }, attributes) {
    if (dx === null) return
    const factor = factors(attributes, dropoutSeed.data[0])
    for (let i = 0; i < dx.data.length; i += 1) dx.data[i] += factor(i) * dy.data[i]
  },
}

function factors({ dropout: p, seed, rest }: Attributes<'dropout'>, seedOfPass: number) {
  const threshold = Math.floor(p * 2 ** 32)
  return (element: number) => {
    const k = dropoutKeeps(seedOfPass + seed, 0, element, threshold) ? 1 / (1 - p) : 0
    return rest === 1 ? 1 - k : k
  }
}
