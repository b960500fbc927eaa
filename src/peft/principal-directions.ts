import { normal } from './draws.ts'
import { largestEigenvectors } from './eigenvectors.ts'
import { combined, projected, timesTransposed } from './nearest-product.ts'
import { gram, quicklyOrthonormal } from './orthonormal.ts'

/** Products of a few vectors with a matrix W [rows, columns]. */
export interface MatrixProducts {
  /** x Wᵀ of x [count, columns]: [count, rows] */
  timesTransposed(x: Float64Array): Promise<Float64Array>
  /** x W of x [count, rows]: [count, columns] */
  times(x: Float64Array): Promise<Float64Array>
  free(): void
}

/** Where W is multiplied: here, or by an engine. */
export type MultiplyBy = (matrix: Float32Array, columns: number) => MatrixProducts

/** Products in float64, in JavaScript. */
export const multiplyHere: MultiplyBy = (matrix, columns) => ({
  timesTransposed: (x) => Promise.resolve(timesTransposed(x, matrix, columns)),
  times: (x) => Promise.resolve(projected(matrix, columns, x, 1).right),
  free() {},
})

/**
 * Nearly the rows σ vᵀ [count, columns] of the largest singular values of W: twice as many directions as are wanted, in part random,
 * are turned towards them by each iteration, and their span is decomposed.
 * Source: Halko, Martinsson and Tropp 2009, https://arxiv.org/abs/0909.4061, algorithm 4.4, as torch.svd_lowrank
 *
 * @param near  rows [at most 2 · count, columns] that are near to them already
 */
export async function principalDirections(
  products: MatrixProducts,
  { rows, columns, count }: { rows: number; columns: number; count: number },
  { iterations, random, near }: { iterations: number; random: () => number; near?: Float64Array | undefined },
): Promise<Float64Array> {
  const sought = 2 * count
  const start = new Float64Array(sought * columns)
  for (let i = near?.length ?? 0; i < start.length; i += 1) start[i] = normal(random)
  if (near) start.set(near)
  let basis = quicklyOrthonormal(await products.timesTransposed(start), rows)
  for (let i = 0; i < iterations; i += 1) {
    const across = quicklyOrthonormal(await products.times(basis), columns)
    basis = quicklyOrthonormal(await products.timesTransposed(across), rows)
  }
  // Only the last one must be orthonormal to the last digit: the others have the right span.
  const turned = await products.times(quicklyOrthonormal(basis, rows))
  return combined(largestEigenvectors(gram(turned, sought, columns), sought, count), turned, sought)
}
