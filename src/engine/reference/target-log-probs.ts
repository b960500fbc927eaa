import { logSumExp } from './attention.ts'
import type { Kernel } from './kernel.ts'
import { addProduct, byColumns, byRows } from './product.ts'

/** Rows whose logits are held at one time. */
const blockRows = 16

/**
 * Output head and log-softmax in one: with logits z = h Wᵀ, lse = log Σ_v exp(z_v), logProbs = z_target − lse.
 * With w = weights, −∂loss/∂logProbs of each row:
 * z' = w · (exp(z − lse) − onehot(target)),  hidden' = z' W (made forward),  W' = z'ᵀ h.
 * The logits exist for a few rows at a time only. Rows from the first negative target on are padding: all zero.
 * Source: Wijmans et al. 2024, https://arxiv.org/abs/2411.09009
 *
 * hidden [m, H], weight [V, H], targets and weights [m] → logProbs and lse [m], dHidden [m, H]
 */
export const targetLogProbs: Kernel<'targetLogProbs'> = {
  forward({ hidden, weight, targets, weights }, { logProbs, lse, dHidden }) {
    const [H, V] = [hidden.columns, weight.rows]
    dHidden?.data.fill(0)
    lse?.data.fill(0)
    logProbs?.data.fill(0)
    forBlocks(targetCount(targets.data), hidden.data, weight.data, H, V, (logits, first, count) => {
      for (let r = 0; r < count; r += 1) {
        const target = r * V + targets.data[first + r]
        const logSum = logSumExp(logits, r * V, (r + 1) * V)
        if (lse) lse.data[first + r] = logSum
        if (logProbs) logProbs.data[first + r] = logits[target] - logSum
        if (dHidden) toGradient(logits, r * V, (r + 1) * V, logSum, target, weights?.data[first + r] ?? 1)
      }
      if (!dHidden) return
      const rows = { data: dHidden.data, start: first * H, stride: H }
      addProduct(rows, [count, H, V], byRows(logits, V), byColumns(weight.data, H))
    })
  },
  vjp(saved, _, { weight: dWeight }) {
    if (dWeight === null) return
    const { hidden, weight, targets, weights, lse } = saved
    const [H, V] = [hidden.columns, weight.rows]
    forBlocks(targetCount(targets.data), hidden.data, weight.data, H, V, (logits, first, count) => {
      for (let r = 0; r < count; r += 1) {
        const target = r * V + targets.data[first + r]
        toGradient(logits, r * V, (r + 1) * V, lse.data[first + r], target, weights?.data[first + r] ?? 1)
      }
      const rows = byColumns(hidden.data, H, first * H)
      addProduct({ data: dWeight.data, stride: H }, [V, H, count], byColumns(logits, V), rows)
    })
  },
}

/** Rows before the padding. */
function targetCount(targets: Int32Array | Float32Array): number {
  const padding = targets.findIndex((target) => target < 0)
  return padding < 0 ? targets.length : padding
}

/** Calls `use` with the logits [count, V] of rows first … first + count − 1, which it may overwrite. */
function forBlocks(
  rows: number,
  hidden: Float32Array,
  weight: Float32Array,
  H: number,
  V: number,
  use: (logits: Float32Array, first: number, count: number) => void,
): void {
  const logits = new Float32Array(Math.min(rows, blockRows) * V)
  for (let first = 0; first < rows; first += blockRows) {
    const count = Math.min(blockRows, rows - first)
    logits.fill(0)
    addProduct({ data: logits, stride: V }, [count, V, H], byRows(hidden, H, first * H), byRows(weight, H))
    use(logits, first, count)
  }
}

/** Turns the logits at begin … end into their gradient: weight · (softmax − onehot). */
function toGradient(
  logits: Float32Array,
  begin: number,
  end: number,
  lse: number,
  target: number,
  weight: number,
): void {
  for (let i = begin; i < end; i += 1) logits[i] = weight * Math.exp(logits[i] - lse)
  logits[target] -= weight
}
