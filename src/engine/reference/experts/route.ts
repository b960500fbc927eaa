import type { Kernel, Matrix } from '../kernel.ts'
import { expertsOf, type Integers } from './expert-rows.ts'

/**
 * w_e = exp(l_e) / Σ exp(l) for the topK largest logits l of a token, the sum over these or over all. With the softmax p over
 * the same ones: l_e' = p_e · (w_e' − Σ_chosen p w'), w' being 0 where an expert was not chosen.
 * Source: Shazeer et al. 2017, https://arxiv.org/abs/1701.06538; Fedus et al. 2021, https://arxiv.org/abs/2101.03961
 *
 * logits [M, E] → weights, tokens, rows [topK · M], ends [E]
 */
export const route: Kernel<'route'> = {
  forward({ logits }, { weights, tokens, rows, ends }, { topK, normalised }) {
    const [M, E] = [logits.rows, logits.columns]
    const chosen = Array.from({ length: M }, (_, m) => {
      const ofToken = logits.data.subarray(m * E, (m + 1) * E)
      const largest = [...ofToken.keys()].toSorted((a, b) => ofToken[b] - ofToken[a] || a - b).slice(0, topK)
      return largest.toSorted((a, b) => a - b)
    })
    let row = 0
    const placed = new Int32Array(M)
    for (let expert = 0; expert < E; expert += 1) {
      for (let m = 0; m < M; m += 1) {
        if (!chosen[m].includes(expert)) continue
        tokens.data[row] = m
        rows.data[topK * m + placed[m]] = row
        placed[m] += 1
        weights.data[row] = softmaxOf(logits, m, normalised === 1 ? chosen[m] : null)[expert]
        row += 1
      }
      ends.data[expert] = row
    }
  },
  vjp({ logits, weights, rows, ends }, { weights: dWeights }, { logits: dLogits }, { topK, normalised }) {
    if (dLogits === null) return
    const E = dLogits.columns
    const experts = expertsOf(ends, weights.rows * weights.columns)
    for (let m = 0; m < dLogits.rows; m += 1) {
      const own = rows.data.subarray(topK * m, topK * (m + 1))
      const chosen = [...own].map((row) => experts[row])
      const p = softmaxOf(logits, m, normalised === 1 ? chosen : null)
      const mean = own.reduce((sum, row) => sum + weights.data[row] * dWeights.data[row], 0)
      for (let expert = 0; expert < E; expert += 1) dLogits.data[m * E + expert] -= p[expert] * mean
      for (const row of own) dLogits.data[m * E + experts[row]] += p[experts[row]] * dWeights.data[row]
    }
  },
}

/** The softmax of a row over some of its columns, zeros elsewhere; null: over all. */
export function softmaxOf(
  { data, columns }: Matrix,
  row: number,
  chosen: readonly number[] | null,
): Float64Array {
  const all = chosen ?? Array.from({ length: columns }, (_, column) => column)
  const largest = Math.max(...all.map((column) => data[row * columns + column]))
  const p = new Float64Array(columns)
  for (const column of all) p[column] = Math.exp(data[row * columns + column] - largest)
  const sum = p.reduce((total, value) => total + value, 0)
  return p.map((value) => value / sum)
}

/** y[r] = x[tokens[r]];  x'[m] = Σ_j y'[rows[k · m + j]]. x [M, H] → y [R, H], R = k · M */
export const dispatch: Kernel<'dispatch'> = {
  forward({ x, tokens }, { y }) {
    takeRows(x, tokens, y)
  },
  vjp({ rows }, { y: dy }, { x: dx }) {
    if (dx) addRows(dx, dy, rows)
  },
}

/** y[m] = residual[m] + Σ_j x[rows[k · m + j]];  x'[r] = y'[tokens[r]]. x [R, H], residual [M, H] → y [M, H] */
export const combine: Kernel<'combine'> = {
  forward({ x, residual, rows }, { y }) {
    y.data.set(residual.data)
    addRows(y, x, rows)
  },
  vjp({ tokens }, { y: dy }, { x: dx }) {
    if (dx) takeRows(dy, tokens, dx, true)
  },
}

/** to[r] (+)= from[index[r]] */
function takeRows(from: Matrix, { data: index }: Integers, to: Matrix, adds = false): void {
  const width = to.columns
  index.forEach((source, row) => {
    for (let i = 0; i < width; i += 1)
      to.data[row * width + i] = (adds ? to.data[row * width + i] : 0) + from.data[source * width + i]
  })
}

/** to[m] += Σ_j from[rows[k · m + j]] */
function addRows(to: Matrix, from: Matrix, { data: rows }: Integers): void {
  const width = to.columns
  const k = rows.length / to.rows
  for (let m = 0; m < to.rows; m += 1)
    for (let i = 0; i < width; i += 1) {
      let sum = 0
      for (let j = 0; j < k; j += 1) sum += from.data[rows[k * m + j] * width + i]
      to.data[m * width + i] += sum
    }
}
