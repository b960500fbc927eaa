/**
 * Orthonormal eigenvectors of the largest eigenvalues of a symmetric matrix, in float64: Householder's reduction to a tridiagonal
 * matrix T, eigenvalues of T by bisection, eigenvectors of T by inverse iteration, and the reflections back. About 4/3 n³
 * multiplications; a matrix of 576 rows takes a third of a second.
 * Source: Golub and Van Loan, Matrix Computations, 4th edition, 8.3 and 8.4
 *
 * @param matrix  [n, n], row by row; its values are lost
 * @returns       [count, n], an eigenvector a row, the largest eigenvalue's first
 */
export function largestEigenvectors(matrix: Float64Array, n: number, count: number): Float64Array {
  const { diagonal, beside, reflections } = tridiagonalise(matrix, n)
  const vectors = new Float64Array(count * n)
  const scale = diagonal.reduce((most, value, i) => Math.max(most, Math.abs(value) + Math.abs(beside[i])), 0)
  const values: number[] = []
  // Of a matrix of zeros any vectors will do.
  if (scale === 0) for (let k = 0; k < count; k += 1) vectors[k * n + k] = 1
  for (let k = 0; scale > 0 && k < count; k += 1) {
    values.push(largestEigenvalue(diagonal, beside, k, scale))
    const vector = vectors.subarray(k * n, (k + 1) * n)
    // Vectors of close eigenvalues are not orthogonal by themselves.
    const close = values.findIndex((value) => value - values[k] <= 1e-3 * scale)
    const others = Array.from({ length: k - close }, (_, i) =>
      vectors.subarray((close + i) * n, (close + i + 1) * n),
    )
    invertIteratively(diagonal, beside, { value: values[k], scale, vector, others })
  }
  for (let k = 0; k < count; k += 1) reflect(vectors.subarray(k * n, (k + 1) * n), reflections)
  return vectors
}

/** T = [diagonal, beside], and the reflections I − v vᵀ · 2 / vᵀv that lead to it, the first one first. */
function tridiagonalise(a: Float64Array, n: number) {
  const beside = new Float64Array(n)
  const reflections: Float64Array[] = []
  const p = new Float64Array(n)
  for (let k = 0; k + 2 < n; k += 1) {
    // Column k below the diagonal becomes (∓norm, 0, …).
    const v = Float64Array.from({ length: n - k - 1 }, (_, i) => a[(k + 1 + i) * n + k])
    const norm = Math.sqrt(dot(v, v))
    const alpha = v[0] > 0 ? -norm : norm
    beside[k] = alpha
    v[0] -= alpha
    const length = dot(v, v)
    if (length === 0) {
      reflections.push(v)
      continue
    }
    const beta = 2 / length
    const size = n - k - 1
    // A is symmetric: only its lower half is read and changed, each number twice.
    p.fill(0, 0, size)
    for (let i = 0; i < size; i += 1) {
      const row = (k + 1 + i) * n + k + 1
      const vi = v[i]
      let sum = 0
      for (let j = 0; j < i; j += 1) {
        const entry = a[row + j]
        sum += entry * v[j]
        p[j] += entry * vi
      }
      p[i] += sum + a[row + i] * vi
    }
    const half = (beta * beta * dot(v, p)) / 2
    for (let i = 0; i < size; i += 1) p[i] = beta * p[i] - half * v[i]
    // A ← A − v pᵀ − p vᵀ
    for (let i = 0; i < size; i += 1) {
      const row = (k + 1 + i) * n + k + 1
      const [vi, pi] = [v[i], p[i]]
      for (let j = 0; j <= i; j += 1) a[row + j] -= vi * p[j] + pi * v[j]
    }
    reflections.push(v)
  }
  if (n > 1) beside[n - 2] = a[(n - 1) * n + n - 2]
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i])
  return { diagonal, beside, reflections }
}

/** The k-th largest eigenvalue of T, k from 0: the point above which there are k of them, by bisection. */
function largestEigenvalue(diagonal: Float64Array, beside: Float64Array, k: number, scale: number): number {
  let [low, high] = [-2 * scale, 2 * scale]
  while (high - low > 4 * Number.EPSILON * scale) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    if (countAbove(diagonal, beside, middle, scale) > k) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** How many eigenvalues of T are above x: the positive pivots of T − x, after Sylvester. */
function countAbove(diagonal: Float64Array, beside: Float64Array, x: number, scale: number): number {
  const tiny = Number.EPSILON * scale + Number.MIN_VALUE
  let count = 0
  let pivot = 1
  for (let i = 0; i < diagonal.length; i += 1) {
    const above = i === 0 ? 0 : (beside[i - 1] * beside[i - 1]) / pivot
    pivot = diagonal[i] - x - above
    if (Math.abs(pivot) < tiny) pivot = -tiny
    if (pivot > 0) count += 1
  }
  return count
}

/** Solves (T − value) y = x a few times from a fixed beginning, orthogonal to the vectors of close eigenvalues. */
function invertIteratively(
  diagonal: Float64Array,
  beside: Float64Array,
  {
    value,
    scale,
    vector,
    others,
  }: { value: number; scale: number; vector: Float64Array; others: readonly Float64Array[] },
): void {
  // No eigenvector of a real matrix is orthogonal to it but by rounding.
  for (let i = 0; i < vector.length; i += 1)
    vector[i] = 1 + ((i * 2654435761 + others.length * 40503) % 1024) / 1024
  for (let round = 0; round < 4; round += 1) {
    solveShifted(diagonal, beside, value, Number.EPSILON * scale + Number.MIN_VALUE, vector)
    for (let again = 0; again < 2; again += 1)
      for (const other of others) {
        const share = dot(other, vector)
        for (let i = 0; i < vector.length; i += 1) vector[i] -= share * other[i]
      }
    const norm = Math.sqrt(dot(vector, vector))
    for (let i = 0; i < vector.length; i += 1) vector[i] /= norm
  }
}

/** x ← (T − shift)⁻¹ x by Gaussian elimination with row exchanges; a pivot of zero counts as `tiny`. */
function solveShifted(
  diagonal: Float64Array,
  beside: Float64Array,
  shift: number,
  tiny: number,
  x: Float64Array,
): void {
  const n = diagonal.length
  const [main, next, second] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)]
  let [d, e] = [diagonal[0] - shift, n > 1 ? beside[0] : 0]
  for (let i = 0; i + 1 < n; i += 1) {
    const below = beside[i]
    const [belowD, belowE] = [diagonal[i + 1] - shift, i + 2 < n ? beside[i + 1] : 0]
    if (Math.abs(d) >= Math.abs(below)) {
      if (Math.abs(d) < tiny) d = tiny
      const factor = below / d
      main[i] = d
      next[i] = e
      x[i + 1] -= factor * x[i]
      ;[d, e] = [belowD - factor * e, belowE]
    } else {
      const factor = d / below
      main[i] = below
      next[i] = belowD
      second[i] = belowE
      const kept = x[i]
      x[i] = x[i + 1]
      x[i + 1] = kept - factor * x[i]
      ;[d, e] = [e - factor * belowD, -factor * belowE]
    }
  }
  main[n - 1] = Math.abs(d) < tiny ? tiny : d
  for (let i = n - 1; i >= 0; i -= 1) {
    const ahead = (i + 1 < n ? next[i] * x[i + 1] : 0) + (i + 2 < n ? second[i] * x[i + 2] : 0)
    x[i] = (x[i] - ahead) / main[i]
  }
  // The larger of the numbers say all; the next round need not overflow.
  const most = x.reduce((largest, entry) => Math.max(largest, Math.abs(entry)), 0)
  for (let i = 0; i < n; i += 1) x[i] /= most
}

/** From an eigenvector of T to one of the matrix. */
function reflect(vector: Float64Array, reflections: readonly Float64Array[]): void {
  for (let k = reflections.length - 1; k >= 0; k -= 1) {
    const v = reflections[k]
    const length = dot(v, v)
    if (length === 0) continue
    const tail = vector.subarray(k + 1)
    const factor = (2 / length) * dot(v, tail)
    for (let i = 0; i < v.length; i += 1) tail[i] -= factor * v[i]
  }
}

/** Of vectors as long as the first. */
export function dot(a: Float64Array, b: Float64Array): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  let i = 0
  for (; i + 3 < a.length; i += 4) {
    s0 += a[i] * b[i]
    s1 += a[i + 1] * b[i + 1]
    s2 += a[i + 2] * b[i + 2]
    s3 += a[i + 3] * b[i + 3]
  }
  for (; i < a.length; i += 1) s0 += a[i] * b[i]
  return s0 + s1 + (s2 + s3)
}
