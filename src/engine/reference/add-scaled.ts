import type { Kernel } from './kernel.ts'

/** y = x;  x' = y'. Both [M, W]; the types differ. */
export const cast: Kernel<'cast'> = {
  forward({ x }, { y }) {
    y.data.set(x.data)
  },
  vjp(_, { y: dy }, { x: dx }) {
    if (dx === null) return
    for (let i = 0; i < dy.data.length; i += 1) dx.data[i] += dy.data[i]
  },
}

/** y = residual + scale · x;  x' = scale · y', and the residual's gradient is y'. All [M, W]. */
export const addScaled: Kernel<'addScaled'> = {
  forward({ x, residual }, { y }, { scale }) {
    for (let i = 0; i < x.data.length; i += 1) y.data[i] = residual.data[i] + scale * x.data[i]
  },
  vjp(_, { y: dy }, { x: dx }, { scale }) {
    if (dx === null) return
    for (let i = 0; i < dy.data.length; i += 1) dx.data[i] += scale * dy.data[i]
  },
}
