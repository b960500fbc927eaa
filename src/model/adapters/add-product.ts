import type { Engine } from '../../engine/index.ts'
import { createTape } from '../../engine/index.ts'

/** What LoRA adds to a weight: left · right. */
export interface Product {
  /** [rows, rank] */
  left: Float32Array
  /** [columns, rank], transposed */
  right: Float32Array
  rank: number
}

/**
 * W + left · rightᵀ, in float32. Where nothing is added the number keeps its bits.
 *
 * @param values  W [rows, columns]
 */
export async function addProduct(
  engine: Engine,
  values: Float32Array,
  { left, right, rank }: Product,
): Promise<Float32Array> {
  const [rows, columns] = [left.length / rank, right.length / rank]
  const shape = [rows, columns]
  const x = engine.tensor('float32', [rows, rank], left)
  const weight = engine.tensor('float32', [columns, rank], right)
  const residual = engine.tensor('float32', shape, values)
  const tape = createTape()
  const { y } = tape.apply(
    'linear',
    { x, weight, bias: null, residual, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [columns, 0, 0] },
    { y: { dtype: 'float32', shape }, t: null },
  )
  if (!y) throw new Error('linear was recorded without its output')
  await engine.run(engine.compile(tape.commands(), [y]))
  const sums = (await engine.read(y)) as Float32Array
  for (const tensor of [x, weight, residual]) engine.free(tensor)
  // −0 + 0 is 0.
  for (let i = 0; i < sums.length; i += 1) if (sums[i] === values[i]) sums[i] = values[i]
  return sums
}

/**
 * The same of matrices that lie one below the other, one product for each.
 *
 * @param values  [matrices · rows, columns]
 */
export async function addProducts(
  engine: Engine,
  values: Float32Array,
  products: readonly Product[],
): Promise<Float32Array> {
  if (products.length === 1) return addProduct(engine, values, products[0])
  const size = values.length / products.length
  const sums = new Float32Array(values.length)
  for (const [i, product] of products.entries())
    sums.set(await addProduct(engine, values.subarray(i * size, (i + 1) * size), product), i * size)
  return sums
}
