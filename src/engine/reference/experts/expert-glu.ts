import { activationOf } from '../activation.ts'
import type { Kernel } from '../kernel.ts'

/**
 * y = s · f(g) · u with the row's s;  u' = y' s f(g),  g' = y' s u f'(g),  s' = Σ y' f(g) u. With a limit g is cut above, u on
 * both sides, where their gradients are 0, and u + 1 stands for u.
 * Source: Shazeer 2020, https://arxiv.org/abs/2002.05202; with a limit OpenAI 2025, https://arxiv.org/abs/2508.10925
 *
 * gateUp [R, 2·I], gate beside up, weights [R] → y [R, I]
 */
export const expertGlu: Kernel<'expertGlu'> = {
  forward({ gateUp, weights }, { y }, attributes) {
    const point = gluPoint(attributes)
    const width = y.columns
    for (let r = 0; r < y.rows; r += 1)
      for (let i = 0; i < width; i += 1) {
        const at = 2 * r * width + i
        const { f, u } = point(gateUp.data[at], gateUp.data[at + width])
        y.data[r * width + i] = weights.data[r] * f * u
      }
  },
  vjp({ gateUp, weights }, { y: dy }, { gateUp: dGateUp, weights: dWeights }, attributes) {
    const point = gluPoint(attributes)
    const width = dy.columns
    for (let r = 0; r < dy.rows; r += 1) {
      let sum = 0
      for (let i = 0; i < width; i += 1) {
        const at = 2 * r * width + i
        const { f, u, slopeOfF, slopeOfU } = point(gateUp.data[at], gateUp.data[at + width])
        const d = dy.data[r * width + i]
        sum += d * f * u
        if (dGateUp === null) continue
        dGateUp.data[at] += d * weights.data[r] * u * slopeOfF
        dGateUp.data[at + width] += d * weights.data[r] * f * slopeOfU
      }
      if (dWeights) dWeights.data[r] += sum
    }
  },
}

/** f(g) and what stands for u, with their slopes. */
function gluPoint({ activation, gain, limit }: { activation: number; gain: number; limit: number }) {
  const act = activationOf(activation)
  return (gate: number, up: number) => {
    const isCut = limit > 0
    const { value, slope } = act(gain * (isCut ? Math.min(gate, limit) : gate))
    return {
      f: value / gain,
      slopeOfF: isCut && gate > limit ? 0 : slope,
      u: isCut ? Math.max(-limit, Math.min(up, limit)) + 1 : up,
      slopeOfU: isCut && Math.abs(up) > limit ? 0 : 1,
    }
  }
}
