import { normal } from './draws.ts'
import { dot, largestEigenvectors } from './eigenvectors.ts'
import { transpose } from '../transpose.ts'

/** Σ left_k right_kᵀ: a matrix of low rank, as what is taken out of a weight. */
export interface InitialPart {
  /** [count, rows] */
  left: Float64Array
  /** [count, columns] */
  right: Float64Array
}

/**
 * The nearest matrix of rank `count` to W [rows, columns], Σ σ u vᵀ over the largest singular values, in float64.
 */
export function nearestProduct(weight: Float32Array, columns: number, count: number): InitialPart {
  const rows = weight.length / columns
  if (rows > columns) {
    const { left, right } = nearestProduct(transpose(weight, rows, columns), rows, count)
    return { left: right, right: left }
  }
  return projected(weight, columns, largestEigenvectors(gram(weight, rows, columns), rows, count), 1)
}

/**
 * Nearly the same, in time that grows with the numbers of W instead of with the cube of its side: the span of W Ω, Ω random, which
 * each iteration turns towards the largest singular values.
 * Source: Halko, Martinsson and Tropp 2009, https://arxiv.org/abs/0909.4061, algorithm 5.1, as torch.svd_lowrank
 *
 * @param near  rows [at most count, columns] that are near to the right ones already: the rest of Ω is random
 */
export function roughlyNearestProduct(
  weight: Float32Array,
  columns: number,
  count: number,
  { iterations, random, near }: { iterations: number; random: () => number; near?: Float64Array },
): InitialPart {
  const rows = weight.length / columns
  if (rows < columns && !near) {
    const turned = transpose(weight, rows, columns)
    const { left, right } = roughlyNearestProduct(turned, rows, count, { iterations, random })
    return { left: right, right: left }
  }
  const start = new Float64Array(count * columns)
  for (let i = near?.length ?? 0; i < start.length; i += 1) start[i] = normal(random)
  if (near) start.set(near)
  let basis = orthonormal(timesTransposed(start, weight, columns), rows)
  for (let i = 0; i < iterations; i += 1) {
    const across = orthonormal(projected(weight, columns, basis, 1).right, columns)
    basis = orthonormal(timesTransposed(across, weight, columns), rows)
  }
  // W ≈ Q (QᵀW), of which the small factor is decomposed.
  const { right } = projected(weight, columns, basis, 1)
  const turns = largestEigenvectors(gram(right, count, columns), count, count)
  return { left: combined(turns, basis, count), right: combined(turns, right, count) }
}

/** x Wᵀ of x [count, columns]: [count, rows] */
function timesTransposed(x: Float64Array, weight: Float32Array, columns: number): Float64Array {
  const [count, rows] = [x.length / columns, weight.length / columns]
  const product = new Float64Array(count * rows)
  for (let row = 0; row < rows; row += 1) {
    const values = weight.subarray(row * columns, (row + 1) * columns)
    let k = 0
    // Four at a time: a number that is read is used several times.
    for (; k + 3 < count; k += 4) {
      const [x0, x1, x2, x3] = [k * columns, (k + 1) * columns, (k + 2) * columns, (k + 3) * columns]
      let [s0, s1, s2, s3] = [0, 0, 0, 0]
      for (let i = 0; i < columns; i += 1) {
        const value = values[i]
        s0 += x[x0 + i] * value
        s1 += x[x1 + i] * value
        s2 += x[x2 + i] * value
        s3 += x[x3 + i] * value
      }
      product[k * rows + row] = s0
      product[(k + 1) * rows + row] = s1
      product[(k + 2) * rows + row] = s2
      product[(k + 3) * rows + row] = s3
    }
    for (; k < count; k += 1) {
      let sum = 0
      for (let i = 0; i < columns; i += 1) sum += x[k * columns + i] * values[i]
      product[k * rows + row] = sum
    }
  }
  return product
}

/** Orthonormal vectors [count, length] of the same span, by Gram and Schmidt's method, each time twice. */
function orthonormal(vectors: Float64Array, length: number): Float64Array {
  const count = vectors.length / length
  for (let k = 0; k < count; k += 1) {
    const vector = vectors.subarray(k * length, (k + 1) * length)
    for (let again = 0; again < 2; again += 1)
      for (let other = 0; other < k; other += 1) {
        const before = vectors.subarray(other * length, (other + 1) * length)
        const share = dot(vector, before)
        for (let i = 0; i < length; i += 1) vector[i] -= share * before[i]
      }
    const norm = Math.sqrt(dot(vector, vector))
    for (let i = 0; i < length; i += 1) vector[i] = norm === 0 ? 0 : vector[i] / norm
  }
  return vectors
}

/** turns [count, count] · vectors [count, length] */
function combined(turns: Float64Array, vectors: Float64Array, count: number): Float64Array {
  const length = vectors.length / count
  const sums = new Float64Array(vectors.length)
  for (let k = 0; k < count; k += 1)
    for (let j = 0; j < count; j += 1)
      for (let i = 0; i < length; i += 1)
        sums[k * length + i] += turns[k * count + j] * vectors[j * length + i]
  return sums
}

/** scaling · Σ u (uᵀ W) over orthonormal vectors u [count, rows]. */
export function projected(
  weight: Float32Array,
  columns: number,
  vectors: Float64Array,
  scaling: number,
): InitialPart {
  const rows = weight.length / columns
  const count = vectors.length / rows
  const right = new Float64Array(count * columns)
  for (let row = 0; row < rows; row += 1) {
    const values = weight.subarray(row * columns, (row + 1) * columns)
    for (let k = 0; k < count; k += 1) {
      const factor = scaling * vectors[k * rows + row]
      const first = k * columns
      for (let i = 0; i < columns; i += 1) right[first + i] += factor * values[i]
    }
  }
  return { left: vectors, right }
}

/** W Wᵀ [rows, rows], in tiles of four rows times two: a number that is read is used several times. */
function gram(values: Float32Array | Float64Array, rows: number, columns: number): Float64Array {
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
