import { activations, type Activation } from '../ops.ts'
import type { Kernel } from './kernel.ts'

/** f(x) and f'(x) */
interface Point {
  value: number
  slope: number
}

const functions: { readonly [K in Activation]: (x: number) => Point } = {
  /** x · σ(x): Elfwing et al. 2017, https://arxiv.org/abs/1702.03118 */
  silu(x) {
    const s = 1 / (1 + Math.exp(-x))
    return { value: x * s, slope: s * (1 + x * (1 - s)) }
  },
  /** x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2: Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415 */
  geluTanh(x) {
    const factor = Math.sqrt(2 / Math.PI)
    const t = Math.tanh(factor * (x + 0.044715 * x ** 3))
    return {
      value: (x * (1 + t)) / 2,
      slope: (1 + t + x * (1 - t * t) * factor * (1 + 3 * 0.044715 * x * x)) / 2,
    }
  },
  /** x · Φ(x), with the normal distribution's Φ: the same paper */
  gelu(x) {
    const phi = (1 + erf(x / Math.SQRT2)) / 2
    return { value: x * phi, slope: phi + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI) }
  },
}

export function activationOf(number: number): (x: number) => Point {
  return functions[activations[number]]
}

/** 2/√π Σ (−1)ⁿ x^(2n+1) / (n! (2n + 1)), within 1e-8 */
function erf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x)
  let [term, sum] = [x, x]
  for (let n = 1; Math.abs(term) > 1e-17; n += 1) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

/** y = f(x);  x' = y' · f'(x). x [M, I] → y [M, I] */
export const activation: Kernel<'activation'> = {
  forward({ x }, { y }, { activation: number }) {
    const f = activationOf(number)
    for (let i = 0; i < x.data.length; i += 1) y.data[i] = f(x.data[i]).value
  },
  vjp({ x }, { y: dy }, { x: dx }, { activation: number }) {
    if (dx === null) return
    const f = activationOf(number)
    for (let i = 0; i < dy.data.length; i += 1) dx.data[i] += dy.data[i] * f(x.data[i]).slope
  },
}

/**
 * y = f(gate) · up;  up' = y' · f(gate),  gate' = y' · up · f'(gate).
 * Source: Shazeer 2020, https://arxiv.org/abs/2002.05202
 *
 * gateUp [M, 2·I], gate beside up → y [M, I]
 */
export const glu: Kernel<'glu'> = {
  forward({ gateUp }, { y }, { activation: number }) {
    const f = activationOf(number)
    const width = y.columns
    for (let m = 0; m < y.rows; m += 1)
      for (let i = 0; i < width; i += 1) {
        const at = 2 * m * width + i
        y.data[m * width + i] = f(gateUp.data[at]).value * gateUp.data[at + width]
      }
  },
  vjp({ gateUp }, { y: dy }, { gateUp: dGateUp }, { activation: number }) {
    if (dGateUp === null) return
    const f = activationOf(number)
    const width = dy.columns
    for (let m = 0; m < dy.rows; m += 1)
      for (let i = 0; i < width; i += 1) {
        const at = 2 * m * width + i
        const { value, slope } = f(gateUp.data[at])
        const d = dy.data[m * width + i]
        dGateUp.data[at] += d * gateUp.data[at + width] * slope
        dGateUp.data[at + width] += d * value
      }
  },
}

/**
 * y = f(gate) · up, of columns of `up`;  up' = y' · f(gate),  gate' = y' · up · f'(gate).
 *
 * gate [M, I], up [M, C] → y [M, I]
 */
export const gateColumns: Kernel<'gateColumns'> = {
  forward({ gate, up }, { y }, { activation: number, first }) {
    const f = activationOf(number)
    for (let m = 0; m < y.rows; m += 1)
      for (let i = 0; i < y.columns; i += 1) {
        const at = m * y.columns + i
        y.data[at] = f(gate.data[at]).value * up.data[m * up.columns + first + i]
      }
  },
  vjp({ gate, up }, { y: dy }, { gate: dGate, up: dUp }, { activation: number, first }) {
    const f = activationOf(number)
    for (let m = 0; m < dy.rows; m += 1)
      for (let i = 0; i < dy.columns; i += 1) {
        const at = m * dy.columns + i
        const other = m * up.columns + first + i
        const { value, slope } = f(gate.data[at])
        if (dGate) dGate.data[at] += dy.data[at] * up.data[other] * slope
        if (dUp) dUp.data[other] += dy.data[at] * value
      }
  },
}
