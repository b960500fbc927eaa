import type { Kernel } from './kernel.ts'

/** y = σ(x);  x' = y' · y · (1 − y). x [M, 1] → y [M] */
export const sigmoid: Kernel<'sigmoid'> = {
  forward({ x }, { y }) {
    x.data.forEach((value, m) => (y.data[m] = 1 / (1 + Math.exp(-value))))
  },
  vjp({ y }, { y: dy }, { x: dx }) {
    if (dx) y.data.forEach((value, m) => (dx.data[m] += dy.data[m] * value * (1 - value)))
  },
}
