import type { Kernel } from './kernel.ts'

/** y[m] = weights[m] · x[m]; x [M, W], weights [M] → y [M, W]. */
export const scaleRows: Kernel<'scaleRows'> = {
  forward({ x, weights }, { y }) {
    for (let i = 0; i < x.data.length; i += 1) y.data[i] = weights.data[Math.floor(i / x.columns)] * x.data[i]
  },
  vjp: null,
}
