import { dot, largestEigenvectors } from './eigenvectors.ts'

/**
 * What PEFT takes out of a weight when it begins an adapter with PiSSA or OLoRA, so that the model computes as before: scaling · B₀A₀
 * with the A₀ and B₀ that LoRA begins with. The file of the adapter has A and B as they were trained, and the base is stored
 * with all of its weights, so that PEFT takes it out again when it loads the two.
 * - PiSSA: B₀A₀ · scaling is the nearest matrix of rank r, Σ σᵢ uᵢ vᵢᵀ over the r largest singular values.
 * - OLoRA: B₀A₀ = Q_r Q_rᵀ W with the first r columns of W = QR: what of W lies in the span of its first r columns.
 * Both are products of W with a projection P of rank r, P W, made in float64.
 * Sources: Meng et al. 2024, https://arxiv.org/abs/2404.02948; Büyükakyüz 2024, https://arxiv.org/abs/2406.01775
 *
 * @param weight   W [rows, columns]
 * @param adapter  rank and scaling
 */
export function initialPart(
  init: 'pissa' | 'olora',
  weight: Float32Array,
  columns: number,
  { rank, scaling }: { rank: number; scaling: number },
): InitialPart {
  const rows = weight.length / columns
  const most = Math.min(rank, rows, columns)
  if (init === 'olora')
    return projected(weight, columns, spanOfFirstColumns(weight, rows, columns, most), scaling)
  if (rows <= columns)
    return projected(weight, columns, largestEigenvectors(gram(weight, rows, columns), rows, most), 1)
  const turned = transpose(weight, rows, columns)
  const { left, right } = projected(
    turned,
    rows,
    largestEigenvectors(gram(turned, columns, rows), columns, most),
    1,
  )
  return { left: right, right: left }
}

/** Σ left_k right_kᵀ: what is taken out of a weight. */
export interface InitialPart {
  /** [count, rows] */
  left: Float64Array
  /** [count, columns] */
  right: Float64Array
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

/** scaling · Σ u (uᵀ W) over orthonormal vectors u [count, rows]. */
function projected(
  weight: Float32Array,
  columns: number,
  vectors: Float64Array,
  scaling: number,
): InitialPart {
  const rows = weight.length / columns
  const count = vectors.length / rows
  const right = new Float64Array(count * columns)
  for (let k = 0; k < count; k += 1)
    for (let row = 0; row < rows; row += 1) {
      const factor = scaling * vectors[k * rows + row]
      const [share, values] = [right.subarray(k * columns), weight.subarray(row * columns)]
      for (let i = 0; i < columns; i += 1) share[i] += factor * values[i]
    }
  return { left: vectors, right }
}

/** W Wᵀ [rows, rows], in tiles of four rows times two: a number that is read is used several times. */
function gram(values: Float32Array, rows: number, columns: number): Float64Array {
  // Rows of zeros make it whole tiles.
  const padded = Math.ceil(rows / 4) * 4
  const w = new Float64Array(padded * columns)
  w.set(values)
  const products = new Float64Array(rows * rows)
  const put = (i: number, j: number, product: number): void => {
    if (i >= rows || j > i) return
    products[i * rows + j] = product
    products[j * rows + i] = product
  }
  for (let i = 0; i < padded; i += 4)
    for (let j = 0; j < Math.min(i + 4, rows); j += 2) {
      const [i0, i1, i2, i3] = [i * columns, (i + 1) * columns, (i + 2) * columns, (i + 3) * columns]
      const [j0, j1] = [j * columns, (j + 1) * columns]
      let [s00, s01, s10, s11, s20, s21, s30, s31] = [0, 0, 0, 0, 0, 0, 0, 0]
      for (let k = 0; k < columns; k += 1) {
        const x = w[j0 + k]
        const y = w[j1 + k]
        const [a0, a1, a2, a3] = [w[i0 + k], w[i1 + k], w[i2 + k], w[i3 + k]]
        s00 += a0 * x
        s01 += a0 * y
        s10 += a1 * x
        s11 += a1 * y
        s20 += a2 * x
        s21 += a2 * y
        s30 += a3 * x
        s31 += a3 * y
      }
      put(i, j, s00)
      put(i, j + 1, s01)
      put(i + 1, j, s10)
      put(i + 1, j + 1, s11)
      put(i + 2, j, s20)
      put(i + 2, j + 1, s21)
      put(i + 3, j, s30)
      put(i + 3, j + 1, s31)
    }
  return products
}

/** Orthonormal vectors [count, rows] that span the first `count` columns, by Gram and Schmidt's method, each time twice. */
function spanOfFirstColumns(
  weight: Float32Array,
  rows: number,
  columns: number,
  count: number,
): Float64Array {
  const vectors = new Float64Array(count * rows)
  for (let k = 0; k < count; k += 1) {
    const vector = vectors.subarray(k * rows, (k + 1) * rows)
    for (let row = 0; row < rows; row += 1) vector[row] = weight[row * columns + k]
    for (let again = 0; again < 2; again += 1)
      for (let other = 0; other < k; other += 1) {
        const before = vectors.subarray(other * rows, (other + 1) * rows)
        const share = dot(vector, before)
        for (let i = 0; i < rows; i += 1) vector[i] -= share * before[i]
      }
    const norm = Math.sqrt(dot(vector, vector))
    // A column that says nothing new leaves a direction open, which LAPACK fills with one of its own.
    for (let i = 0; i < rows; i += 1) vector[i] = norm === 0 ? 0 : vector[i] / norm
  }
  return vectors
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length)
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1)
      turned[column * rows + row] = values[row * columns + column]
  return turned
}
