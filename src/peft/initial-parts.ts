import { dot } from './eigenvectors.ts'
import type { SplitInit } from './lora-config.ts'
import { nearestProduct, projected, roughlyNearestProduct } from './nearest-product.ts'
import type { InitialPart } from './nearest-product.ts'

/**
 * What PEFT takes out of a weight when it begins an adapter with PiSSA or OLoRA, so that the model computes as before: scaling · B₀A₀
 * with the A₀ and B₀ that LoRA begins with. The file of the adapter has A and B as they were trained, and the base is stored
 * with all of its weights, so that PEFT takes it out again when it loads the two.
 * - PiSSA: B₀A₀ · scaling is the nearest matrix of rank r, Σ σᵢ uᵢ vᵢᵀ over the r largest singular values.
 * - PiSSA of N iterations: nearly that, by a randomised decomposition (nearest-product.ts).
 * - OLoRA: B₀A₀ = Q_r Q_rᵀ W with the first r columns of W = QR: what of W lies in the span of its first r columns.
 * All are products of W with a projection P of rank r, P W, made in float64.
 * Sources: Meng et al. 2024, https://arxiv.org/abs/2404.02948; Büyükakyüz 2024, https://arxiv.org/abs/2406.01775
 *
 * @param weight   W [rows, columns]
 * @param adapter  rank and scaling
 * @param random   numbers from 0 to 1, for the randomised decomposition
 */
export function initialPart(
  init: SplitInit,
  weight: Float32Array,
  columns: number,
  { rank, scaling }: { rank: number; scaling: number },
  random: () => number,
): InitialPart {
  const rows = weight.length / columns
  const most = Math.min(rank, rows, columns)
  if (init === 'olora')
    return projected(weight, columns, spanOfFirstColumns(weight, rows, columns, most), scaling)
  const iterations = init === 'pissa' ? null : Number(init.slice('pissa_niter_'.length))
  if (iterations === null) return nearestProduct(weight, columns, most)
  return roughlyNearestProduct(weight, columns, most, { iterations, random })
}

/** The A [rank, columns] and B [rows, rank] whose product, times the scaling, a part is. */
export function initialFactors(
  init: SplitInit,
  { left, right }: InitialPart,
  columns: number,
  { rank, scaling }: { rank: number; scaling: number },
): LoraFactors {
  const count = right.length / columns
  const rows = left.length / count
  const a = new Float32Array(rank * columns)
  const b = new Float32Array(rows * rank)
  for (let k = 0; k < count; k += 1) {
    const [u, v] = [left.subarray(k * rows, (k + 1) * rows), right.subarray(k * columns, (k + 1) * columns)]
    const [lengthU, lengthV] = [Math.sqrt(dot(u, u)), Math.sqrt(dot(v, v))]
    // PiSSA divides a singular value between the two.
    const share = Math.sqrt((lengthU * lengthV) / scaling)
    const [forA, forB] = init === 'olora' ? [1 / scaling, 1] : [share / lengthV || 0, share / lengthU || 0]
    for (let i = 0; i < columns; i += 1) a[k * columns + i] = forA * v[i]
    for (let i = 0; i < rows; i += 1) b[i * rank + k] = forB * u[i]
  }
  return { a, b }
}

/** LoRA's A [rank, columns] and B [rows, rank] of a module. */
export interface LoraFactors {
  a: Float32Array
  b: Float32Array
}

/** W ← W − Σ left_k right_kᵀ */
export function takeOut(weight: Float32Array, columns: number, { left, right }: InitialPart): void {
  const count = right.length / columns
  const rows = weight.length / columns
  const part = new Float64Array(columns)
  for (let row = 0; row < rows; row += 1) {
    part.fill(0)
    for (let k = 0; k < count; k += 1) {
      const factor = left[k * rows + row]
      const share = right.subarray(k * columns)
      for (let i = 0; i < columns; i += 1) part[i] += factor * share[i]
    }
    for (let i = 0; i < columns; i += 1) weight[row * columns + i] -= part[i]
  }
}

/**
 * The first `count` columns of Q [count, rows], W = QR, by Householder's reflections, with the signs that LAPACK gives them.
 * Source: Golub and Van Loan, Matrix Computations, 4th edition, 5.2
 */
function spanOfFirstColumns(
  weight: Float32Array,
  rows: number,
  columns: number,
  count: number,
): Float64Array {
  const reflections: { v: Float64Array; factor: number }[] = []
  for (let k = 0; k < count; k += 1) {
    const column = Float64Array.from({ length: rows }, (_, row) => weight[row * columns + k])
    reflections.forEach((reflection, i) => reflect(column.subarray(i), reflection))
    const v = column.subarray(k)
    const below = dot(v.subarray(1), v.subarray(1))
    const norm = Math.sqrt(v[0] * v[0] + below)
    if (below > 0) v[0] += v[0] >= 0 ? norm : -norm
    reflections.push({ v, factor: below > 0 ? 2 / (v[0] * v[0] + below) : 0 })
  }
  const vectors = new Float64Array(count * rows)
  for (let k = 0; k < count; k += 1) {
    const vector = vectors.subarray(k * rows, (k + 1) * rows)
    vector[k] = 1
    for (let i = count - 1; i >= 0; i -= 1) reflect(vector.subarray(i), reflections[i])
  }
  return vectors
}

/** x ← x − factor · v (v · x) */
function reflect(x: Float64Array, { v, factor }: { v: Float64Array; factor: number }): void {
  if (factor === 0) return
  const share = factor * dot(v, x)
  for (let i = 0; i < v.length; i += 1) x[i] -= share * v[i]
}
