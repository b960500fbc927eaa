import { normal } from './draws.ts'
import { largestEigenvectors } from './eigenvectors.ts'
import { gram, orthonormal } from './orthonormal.ts'
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
 */
export function roughlyNearestProduct(
  weight: Float32Array,
  columns: number,
  count: number,
  { iterations, random }: { iterations: number; random: () => number },
): InitialPart {
  const rows = weight.length / columns
  if (rows < columns) {
    const turned = transpose(weight, rows, columns)
    const { left, right } = roughlyNearestProduct(turned, rows, count, { iterations, random })
    return { left: right, right: left }
  }
  const start = new Float64Array(count * columns)
  for (let i = 0; i < start.length; i += 1) start[i] = normal(random)
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
export function timesTransposed(x: Float64Array, weight: Float32Array, columns: number): Float64Array {
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

/** turns [fewer, count] · vectors [count, length] */
export function combined(turns: Float64Array, vectors: Float64Array, count: number): Float64Array {
  const length = vectors.length / count
  const fewer = turns.length / count
  const sums = new Float64Array(fewer * length)
  for (let k = 0; k < fewer; k += 1)
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
