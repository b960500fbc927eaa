import type { Kernel } from './kernel.ts'

/**
 * y = silu(gate) · up, silu(g) = g · σ(g).  up' = y' · silu(gate),  gate' = y' · up · σ(g) · (1 + g · (1 − σ(g))).
 * Source: Shazeer 2020, https://arxiv.org/abs/2002.05202
 *
 * gateUp [M, 2·I], gate beside up → y [M, I]
 */
export const swiglu: Kernel<'swiglu'> = {
  forward({ gateUp }, { y }) {
    const width = y.columns
    for (let m = 0; m < y.rows; m += 1) {
      for (let i = 0; i < width; i += 1) {
        const gate = gateUp.data[2 * m * width + i]
        const up = gateUp.data[(2 * m + 1) * width + i]
        y.data[m * width + i] = gate * sigmoid(gate) * up
      }
    }
  },
  vjp({ gateUp }, { y: dy }, { gateUp: dGateUp }) {
    if (dGateUp === null) return
    const width = dy.columns
    for (let m = 0; m < dy.rows; m += 1) {
      for (let i = 0; i < width; i += 1) {
        const at = 2 * m * width + i
        const gate = gateUp.data[at]
        const up = gateUp.data[at + width]
        const d = dy.data[m * width + i]
        const s = sigmoid(gate)
        dGateUp.data[at] += d * up * s * (1 + gate * (1 - s))
        dGateUp.data[at + width] += d * gate * s
      }
    }
  },
}

/** 1 / (1 + e^−x) */
function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}
