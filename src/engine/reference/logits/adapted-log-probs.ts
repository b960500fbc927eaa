import type { Kernel, Matrix } from '../kernel.ts'
import { targetLogProbs } from './target-log-probs.ts'

/**
 * targetLogProbs with the head [W, B]: LoRA on the head, whose A has made the last R columns of the hidden states.
 * weight [V, H], loraB [V, R], hidden [m, H + R], targets and weights [m] → logProbs and lse [m], dHidden [m, H + R]
 */
export const adaptedLogProbs: Kernel<'adaptedLogProbs'> = {
  forward({ weight, loraB, hidden, targets, weights }, outputs, bounds) {
    targetLogProbs.forward({ hidden, targets, weights, weight: beside(weight, loraB) }, outputs, bounds)
  },
  vjp({ weight, loraB, hidden, targets, weights, lse }, given, { loraB: dLoraB }, bounds) {
    if (dLoraB === null || targetLogProbs.vjp === null) return
    const whole = beside(weight, loraB)
    const gradient = { ...whole, data: new Float32Array(whole.data.length) }
    const none = { logProbs: lse, dHidden: null, description: null }
    targetLogProbs.vjp(
      { hidden, weight: whole, targets, weights, lse, ...none },
      given,
      { weight: gradient },
      bounds,
    )
    for (let v = 0; v < dLoraB.rows; v += 1)
      for (let i = 0; i < dLoraB.columns; i += 1)
        dLoraB.data[v * dLoraB.columns + i] += gradient.data[(v + 1) * whole.columns - dLoraB.columns + i]
  },
}

/** [a, b], row by row. */
function beside(a: Matrix, b: Matrix): Matrix {
  const columns = a.columns + b.columns
  const data = new Float32Array(a.rows * columns)
  for (let row = 0; row < a.rows; row += 1) {
    data.set(a.data.subarray(row * a.columns, (row + 1) * a.columns), row * columns)
    data.set(b.data.subarray(row * b.columns, (row + 1) * b.columns), row * columns + a.columns)
  }
  return { data, shape: [a.rows, columns], rows: a.rows, columns }
}
