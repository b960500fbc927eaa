import { dot } from './eigenvectors.ts'

/** Orthonormal vectors [count, length] of the same span, by Gram and Schmidt's method, each time twice. */
export function orthonormal(vectors: Float64Array, length: number): Float64Array {
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

/** A vector of which less than so much of its squared length is its own is none of Cholesky's. */
const leastShare = 1e-12

/**
 * The same, in half the time, by Cholesky's decomposition L Lᵀ of their products: L⁻¹ V. Of vectors that nearly depend on each other it
 * leaves errors of their condition squared, which a second time takes away. It falls back to Gram and Schmidt's method where they depend.
 * Source: Yamamoto et al. 2015, https://etna.math.kent.edu/vol.44.2015/pp306-326.dir/pp306-326.pdf
 */
export function quicklyOrthonormal(vectors: Float64Array, length: number): Float64Array {
  const count = vectors.length / length
  const products = gram(vectors, count, length)
  const factor = choleskyFactor(products, count)
  if (!factor) return orthonormal(vectors, length)
  for (let k = 0; k < count; k += 1) {
    const vector = vectors.subarray(k * length, (k + 1) * length)
    let j = 0
    // Four at a time: a number that is read is used several times.
    for (; j + 3 < k; j += 4) {
      const at = k * count + j
      const [l0, l1, l2, l3] = [factor[at], factor[at + 1], factor[at + 2], factor[at + 3]]
      const [v0, v1, v2, v3] = [j * length, (j + 1) * length, (j + 2) * length, (j + 3) * length]
      for (let i = 0; i < length; i += 1)
        vector[i] -=
          l0 * vectors[v0 + i] + l1 * vectors[v1 + i] + (l2 * vectors[v2 + i] + l3 * vectors[v3 + i])
    }
    for (; j < k; j += 1) {
      const share = factor[k * count + j]
      for (let i = 0; i < length; i += 1) vector[i] -= share * vectors[j * length + i]
    }
    const inverse = 1 / factor[k * count + k]
    for (let i = 0; i < length; i += 1) vector[i] *= inverse
  }
  return vectors
}

/** L [n, n] of a symmetric matrix L Lᵀ, whose values are lost; undefined where it is nearly singular. */
function choleskyFactor(matrix: Float64Array, n: number): Float64Array | undefined {
  for (let row = 0; row < n; row += 1) {
    const whole = matrix[row * n + row]
    for (let column = 0; column <= row; column += 1) {
      let sum = matrix[row * n + column]
      for (let i = 0; i < column; i += 1) sum -= matrix[row * n + i] * matrix[column * n + i]
      if (column < row) matrix[row * n + column] = sum / matrix[column * n + column]
      else if (sum > leastShare * whole) matrix[row * n + row] = Math.sqrt(sum)
      else return undefined
    }
  }
  return matrix
}

/** W Wᵀ [rows, rows], in tiles of four rows times two: a number that is read is used several times. */
export function gram(values: Float32Array | Float64Array, rows: number, columns: number): Float64Array {
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
