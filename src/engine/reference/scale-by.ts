import type { Kernel } from './kernel.ts'

/** y = factor[0] · x;  x' = factor[0] · y'. x [M, W], factor [1] → y [M, W] */
export const scaleBy: Kernel<'scaleBy'> = {
  forward({ x, factor }, { y }) {
    for (let i = 0; i < x.data.length; i += 1) y.data[i] = factor.data[0] * x.data[i]
  },
  vjp({ factor }, { y: dy }, { x: dx }) {
    if (dx === null) return
    for (let i = 0; i < dy.data.length; i += 1) dx.data[i] += factor.data[0] * dy.data[i]
  },
}
