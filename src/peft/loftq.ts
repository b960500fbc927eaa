import { float16ToFloat32, float32ToFloat16 } from '../float16.ts'
import { roundThrough } from '../engine/index.ts'
import type { LoraFactors } from './initial-parts.ts'
import { initialFactors } from './initial-parts.ts'
import type { LoftqConfig } from './lora-config.ts'
import { nearestProduct } from './nearest-product.ts'

/**
 * LoftQ: in turn W is rounded, less what A and B add to it, and A and B are the nearest product to what rounding took away. With
 * scaling 1 the rounded weight and B A are together nearer to W than the rounded weight alone.
 * Source: Li et al. 2023, https://arxiv.org/abs/2310.08659
 *
 * @param weight  W [rows, columns]
 * @returns       what is left of W rounded, and the A and B that adapters begin with
 */
export function loftq(
  weight: Float32Array,
  columns: number,
  rank: number,
  { loftqBits, loftqIter }: LoftqConfig,
): { rounded: Float32Array; factors: LoraFactors } {
  const rows = weight.length / columns
  let rest = weight
  for (let round = 1; ; round += 1) {
    // bitsandbytes takes what becomes 8 bits through float16.
    const rounded =
      loftqBits === 4
        ? roundThrough(rest, columns, 'nf4')
        : roundThrough(float16ToFloat32(float32ToFloat16(rest)), columns, 'int8')
    const lost = weight.map((value, i) => value - rounded[i])
    const part = nearestProduct(lost, columns, Math.min(rank, rows, columns))
    const factors = initialFactors('pissa', part, columns, { rank, scaling: 1 })
    if (round === loftqIter) return { rounded, factors }
    rest = less(weight, columns, rows, rank, factors)
  }
}

/** W − B A, in float32. */
function less(
  weight: Float32Array,
  columns: number,
  rows: number,
  rank: number,
  { a, b }: LoraFactors,
): Float32Array {
  const rest = weight.slice()
  for (let row = 0; row < rows; row += 1)
    for (let k = 0; k < rank; k += 1) {
      const factor = b[row * rank + k]
      for (let i = 0; i < columns; i += 1) rest[row * columns + i] -= factor * a[k * columns + i]
    }
  return rest
}
