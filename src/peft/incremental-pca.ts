import { createRandom } from '../random.ts'
import { dot } from './eigenvectors.ts'
import { nearestProduct } from './nearest-product.ts'
import { multiplyHere, principalDirections, type MultiplyBy } from './principal-directions.ts'

/** Directions in which rows of numbers vary, the one of most variance first. */
export interface Components {
  /** Unit vectors [count, columns]; of each the number that is largest is positive. */
  vectors: Float64Array
  /** [count] */
  singularValues: Float64Array
  /** [count] The share of all variance that lies in each. */
  ratios: Float64Array
}

/** Principal components of rows that come batch by batch; it keeps nothing of a batch but them, its mean and its variance. */
export interface IncrementalPca {
  /** Null before the first batch. */
  readonly components: Components | null
  /** @param rows  [n, columns], n at least the number of components */
  add(rows: Float32Array): Promise<void>
}

/**
 * Singular values and vectors of what is left of the batches before, S V, with the new rows less their mean beneath, and one more
 * row for how the mean moved: √(n · N / (N + n)) · (old mean − mean of the batch), N rows before and n new ones.
 * Source: Ross et al. 2008, https://doi.org/10.1007/s11263-007-0075-7, as in scikit-learn and PEFT 0.21 (utils/incremental_pca.py)
 *
 * @param multiply  where large matrices are multiplied
 */
export function incrementalPca(columns: number, count: number, multiply = multiplyHere): IncrementalPca {
  let components: Components | null = null
  let seen = 0
  const mean = new Float64Array(columns)
  /** Σ (x − mean)² of all columns. */
  let variance = 0
  return {
    get components() {
      return components
    },
    async add(rows) {
      const n = rows.length / columns
      const own = columnMeans(rows, columns)
      const kept = components ? count : 0
      const stacked = new Float32Array((kept + n + (components ? 1 : 0)) * columns)
      if (components)
        for (let k = 0; k < count; k += 1)
          for (let i = 0; i < columns; i += 1)
            stacked[k * columns + i] = components.singularValues[k] * components.vectors[k * columns + i]
      for (let row = 0; row < n; row += 1) {
        const [from, to] = [row * columns, (kept + row) * columns]
        let squares = 0
        for (let i = 0; i < columns; i += 1) {
          const distance = rows[from + i] - own[i]
          stacked[to + i] = distance
          squares += distance * distance
        }
        variance += squares
      }
      const moved = (seen * n) / (seen + n)
      for (let i = 0; i < columns; i += 1) {
        const step = own[i] - mean[i]
        if (components) stacked[(kept + n) * columns + i] = -Math.sqrt(moved) * step
        variance += moved * step * step
        mean[i] += (step * n) / (seen + n)
      }
      seen += n
      const found = await largestComponents(
        { matrix: stacked, columns, count },
        multiply,
        components?.vectors,
      )
      components = { ...found, ratios: found.singularValues.map((value) => value ** 2 / variance) }
    },
  }
}

function columnMeans(rows: Float32Array, columns: number): Float64Array {
  const n = rows.length / columns
  const means = new Float64Array(columns)
  for (let first = 0; first < rows.length; first += columns)
    for (let i = 0; i < columns; i += 1) means[i] += rows[first + i]
  return means.map((sum) => sum / n)
}

/**
 * Matrices up to this side are decomposed exactly; larger ones by PEFT's randomised method, which costs less. It begins with the
 * directions that are known, which takes one round in place of four.
 */
const exactSide = 128

async function largestComponents(
  { matrix, columns, count }: { matrix: Float32Array; columns: number; count: number },
  multiply: MultiplyBy,
  near: Float64Array | undefined,
): Promise<Pick<Components, 'vectors' | 'singularValues'>> {
  const rows = matrix.length / columns
  const side = Math.min(columns, rows)
  if (side <= exactSide || 2 * count >= side) return exactComponents(matrix, columns, count)
  const products = multiply(matrix, columns)
  try {
    const search = { iterations: near ? 1 : 4, random: createRandom(42), near }
    return asComponents(await principalDirections(products, { rows, columns, count }, search), columns)
  } finally {
    products.free()
  }
}

function exactComponents(matrix: Float32Array, columns: number, count: number) {
  const { left, right } = nearestProduct(matrix, columns, count)
  const rows = matrix.length / columns
  // One of the two has the singular values, the other has unit vectors.
  const lengths = Float64Array.from({ length: count }, (_, k) => {
    const u = left.subarray(k * rows, (k + 1) * rows)
    return Math.sqrt(dot(u, u))
  })
  return asComponents(
    right.map((value, i) => value * lengths[Math.floor(i / columns)]),
    columns,
  )
}

/** Of rows σ vᵀ. */
function asComponents(rows: Float64Array, columns: number) {
  const vectors = new Float64Array(rows.length)
  const singularValues = new Float64Array(rows.length / columns)
  for (let k = 0; k < singularValues.length; k += 1) {
    const row = rows.subarray(k * columns, (k + 1) * columns)
    const length = Math.sqrt(dot(row, row))
    singularValues[k] = length
    const largest = row.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0)
    if (length > 0)
      vectors.set(
        row.map((value) => (Math.sign(largest) * value) / length),
        k * columns,
      )
  }
  return { vectors, singularValues }
}
