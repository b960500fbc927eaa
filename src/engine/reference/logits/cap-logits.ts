import type { Kernel } from '../kernel.ts'

/**
 * y = cap · tanh(scale · x / cap), or scale · x where cap is 0. x [M, V] → y [M, V].
 * Source: Gemma Team 2024, https://arxiv.org/abs/2408.00118
 */
export const capLogits: Kernel<'capLogits'> = {
  forward({ x }, { y }, { scale, cap }) {
    for (let i = 0; i < x.data.length; i += 1) y.data[i] = capped(scale * x.data[i], cap)
  },
  vjp: null,
}

export function capped(x: number, cap: number): number {
  return cap === 0 ? x : cap * Math.tanh(x / cap)
}
