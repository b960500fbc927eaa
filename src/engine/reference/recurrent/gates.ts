import { activationOf } from '../activation.ts'
import type { Kernel } from '../kernel.ts'

const silu = activationOf(0)

/**
 * y = x · rstd · gain · silu(gate), rstd = 1 / sqrt(mean(x²) + eps) over each part of a row.
 * With n = x · rstd and s = silu(gate): x' = rstd · (t − n · mean(t · n)), t = y' · s · gain;  gain' = Σ y' · s · n;
 * gate' = y' · n · gain · silu'(gate).
 * Source: Yang et al. 2024 (Gated DeltaNet), https://arxiv.org/abs/2412.06464
 *
 * gain [W], x and gate [M, parts · W] → y [M, parts · W], rstd [M, parts]
 */
export const gatedNorm: Kernel<'gatedNorm'> = {
  forward({ gain, x, gate }, { y, rstd }, { eps, parts }) {
    const width = gain.columns
    for (let part = 0; part < x.rows * parts; part += 1) {
      const at = part * width
      let squares = 0
      for (let i = at; i < at + width; i += 1) squares += x.data[i] ** 2
      const scale = 1 / Math.sqrt(squares / width + eps)
      if (rstd) rstd.data[part] = scale
      for (let i = 0; i < width; i += 1)
        y.data[at + i] = x.data[at + i] * scale * gain.data[i] * silu(gate.data[at + i]).value
    }
  },
  vjp({ gain, x, gate, rstd }, { y: dy }, { gain: dGain, x: dx, gate: dGate }, { parts }) {
    const width = gain.columns
    for (let part = 0; part < x.rows * parts; part += 1) {
      const at = part * width
      const scale = rstd.data[part]
      let projection = 0
      for (let i = 0; i < width; i += 1) {
        const { value, slope } = silu(gate.data[at + i])
        const normalised = x.data[at + i] * scale
        const d = dy.data[at + i]
        projection += d * value * gain.data[i] * normalised
        if (dGain) dGain.data[i] += d * value * normalised
        if (dGate) dGate.data[at + i] += d * normalised * gain.data[i] * slope
      }
      if (!dx) continue
      for (let i = 0; i < width; i += 1) {
        const t = dy.data[at + i] * silu(gate.data[at + i]).value * gain.data[i]
        dx.data[at + i] += scale * (t - (x.data[at + i] * scale * projection) / width)
      }
    }
  },
}

/**
 * Columns of x [M, 2 · heads · headDim + rest], which has each head's query beside its gate: → y [M, heads · headDim + rest]
 * without the gates, gate [M, heads · headDim]. The vjp puts the gradients where the columns came from.
 */
export const splitGates: Kernel<'splitGates'> = {
  forward({ x }, { y, gate }, shape) {
    eachColumn(x.columns, shape, (from, to, isGate) => {
      const target = isGate ? gate : y
      for (let m = 0; m < x.rows; m += 1) target.data[m * target.columns + to] = x.data[m * x.columns + from]
    })
  },
  vjp(_, { y: dy, gate: dGate }, { x: dx }, shape) {
    if (!dx) return
    eachColumn(dx.columns, shape, (from, to, isGate) => {
      const source = isGate ? dGate : dy
      for (let m = 0; m < dx.rows; m += 1)
        dx.data[m * dx.columns + from] += source.data[m * source.columns + to]
    })
  },
}

function eachColumn(
  columns: number,
  { headDim, heads }: { headDim: number; heads: number },
  body: (from: number, to: number, isGate: boolean) => void,
): void {
  const pairs = 2 * heads * headDim
  for (let column = 0; column < columns; column += 1) {
    const head = Math.floor(column / (2 * headDim))
    const inHead = column % (2 * headDim)
    if (column >= pairs) body(column, column - pairs / 2, false)
    else body(column, head * headDim + (inHead % headDim), inHead >= headDim)
  }
}

/** y = x · s, s = σ(gate);  x' = y' · s,  gate' = y' · x · s · (1 − s). All [M, W]. */
export const sigmoidGate: Kernel<'sigmoidGate'> = {
  forward({ x, gate }, { y }) {
    for (let i = 0; i < x.data.length; i += 1) y.data[i] = x.data[i] / (1 + Math.exp(-gate.data[i]))
  },
  vjp({ x, gate }, { y: dy }, { x: dx, gate: dGate }) {
    for (let i = 0; i < x.data.length; i += 1) {
      const s = 1 / (1 + Math.exp(-gate.data[i]))
      if (dx) dx.data[i] += dy.data[i] * s
      if (dGate) dGate.data[i] += dy.data[i] * x.data[i] * s * (1 - s)
    }
  },
}
