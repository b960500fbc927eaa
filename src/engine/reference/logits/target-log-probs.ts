import type { Attributes } from '../../ops.ts'
import { logSumExp } from '../attention/attention.ts'
import { capped } from './cap-logits.ts'
import type { Kernel, Matrix } from '../kernel.ts'
import { addProduct, byColumns, byRows } from '../products/product.ts'

/** Rows whose logits are held at one time. */
const blockRows = 16

/**
 * Output head and log-softmax in one: with logits z = cap · tanh(scale · h Wᵀ / cap) (no cap where it is 0),
 * lse = log Σ_v exp(z_v), logProbs = z_target − lse. With w = weights, −∂loss/∂logProbs of each row, and
 * z' = w · (exp(z − lse) − onehot(target)) · scale · (1 − (z / cap)²):  hidden' = z' W (made forward),  W' = z'ᵀ h.
 * The logits exist for a few rows at a time only. Rows from the first negative target on are padding: all zero.
 * Source: Wijmans et al. 2024, https://arxiv.org/abs/2411.09009
 *
 * hidden [m, H], weight [V, H], targets and weights [m] → logProbs and lse [m], dHidden [m, H], description [m, 4]
 */
export const targetLogProbs: Kernel<'targetLogProbs'> = {
  forward({ hidden, weight, targets, weights }, { logProbs, lse, dHidden, description }, bounds) {
    const [H, V] = [hidden.columns, weight.rows]
    dHidden?.data.fill(0)
    lse?.data.fill(0)
    description?.data.fill(0)
    logProbs?.data.fill(0)
    forBlocks(targetCount(targets.data), [hidden, weight], bounds, (logits, first, count) => {
      for (let r = 0; r < count; r += 1) {
        const target = r * V + targets.data[first + r]
        const logSum = logSumExp(logits, r * V, (r + 1) * V)
        if (lse) lse.data[first + r] = logSum
        if (logProbs) logProbs.data[first + r] = logits[target] - logSum
        description?.data.set(
          describe(logits.subarray(r * V, (r + 1) * V), logSum, target - r * V),
          4 * (first + r),
        )
        if (dHidden)
          toGradient(logits, [r * V, (r + 1) * V], logSum, target, weights?.data[first + r] ?? 1, bounds)
      }
      if (!dHidden) return
      const rows = { data: dHidden.data, start: first * H, stride: H }
      addProduct(rows, [count, H, V], byRows(logits, V), byColumns(weight.data, H))
    })
  },
  vjp(saved, _, { weight: dWeight }, bounds) {
    if (dWeight === null) return
    const { hidden, weight, targets, weights, lse } = saved
    const [H, V] = [hidden.columns, weight.rows]
    forBlocks(targetCount(targets.data), [hidden, weight], bounds, (logits, first, count) => {
      for (let r = 0; r < count; r += 1) {
        const target = r * V + targets.data[first + r]
        toGradient(
          logits,
          [r * V, (r + 1) * V],
          lse.data[first + r],
          target,
          weights?.data[first + r] ?? 1,
          bounds,
        )
      }
      const rows = byColumns(hidden.data, H, first * H)
      addProduct({ data: dWeight.data, stride: H }, [V, H, count], byColumns(logits, V), rows)
    })
  },
}

/** Entropy, mean logit, what the target's logit is above the largest other, and log Σ p² of a row of logits [V]. */
function describe(logits: Float32Array, lse: number, target: number): number[] {
  const sums = { entropy: 0, logits: 0, squares: 0 }
  let other = -Infinity
  for (const [v, logit] of logits.entries()) {
    const p = Math.exp(logit - lse)
    sums.entropy -= p * (logit - lse)
    sums.logits += logit
    sums.squares += p * p
    if (v !== target) other = Math.max(other, logit)
  }
  return [sums.entropy, sums.logits / logits.length, logits[target] - other, Math.log(sums.squares)]
}

/** Rows before the padding. */
function targetCount(targets: Int32Array | Float32Array): number {
  const padding = targets.findIndex((target) => target < 0)
  return padding < 0 ? targets.length : padding
}

/** Calls `use` with the logits [count, V] of rows first … first + count − 1, which it may overwrite. */
function forBlocks(
  rows: number,
  [hidden, weight]: readonly [Matrix, Matrix],
  { scale, cap }: Attributes<'targetLogProbs'>,
  use: (logits: Float32Array, first: number, count: number) => void,
): void {
  const [H, V] = [hidden.columns, weight.rows]
  const logits = new Float32Array(Math.min(rows, blockRows) * V)
  for (let first = 0; first < rows; first += blockRows) {
    const count = Math.min(blockRows, rows - first)
    logits.fill(0)
    const states = byRows(hidden.data, H, first * H)
    addProduct({ data: logits, stride: V }, [count, V, H], states, byRows(weight.data, H))
    if (scale !== 1 || cap !== 0)
      for (let i = 0; i < logits.length; i += 1) logits[i] = capped(scale * logits[i], cap)
    use(logits, first, count)
  }
}

/** Turns the logits at begin … end into the gradient of h · W: weight · (softmax − onehot) · scale · (1 − (z / cap)²). */
function toGradient(
  logits: Float32Array,
  [begin, end]: readonly [number, number],
  lse: number,
  target: number,
  weight: number,
  { scale, cap }: Attributes<'targetLogProbs'>,
): void {
  for (let i = begin; i < end; i += 1) {
    const slope = cap === 0 ? scale : scale * (1 - (logits[i] / cap) ** 2)
    logits[i] = weight * slope * (Math.exp(logits[i] - lse) - (i === target ? 1 : 0))
  }
}
