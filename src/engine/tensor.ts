import type { ByteSource } from '../formats/index.ts'
import type { BlockType } from './block-types.ts'
import { blockTypes } from './block-types.ts'

/** Element types that an engine computes with. Files may hold others; they are converted when read. */
export type DType = 'float32' | 'bfloat16' | 'int32'

/** What rows are counted in whose number differs from run to run. */
export type RowSymbol = 'tokens' | 'copies' | 'routed'

/** `factor` rows for each of them. */
export interface Rows {
  readonly symbol: RowSymbol
  readonly factor: number
}

/** A first dimension that a program is told when it runs, with room for so many of its symbol. */
export interface CountedRows extends Rows {
  readonly capacity: number
}

export type Dimension = number | CountedRows

/** A first dimension of up to `factor * capacity` rows: `rowsOf('tokens', 512)`, or 2 for each token with a factor. */
export function rowsOf(symbol: RowSymbol, capacity: number, factor = 1): CountedRows {
  return { symbol, factor, capacity }
}

/** How many there are of each symbol in a run; those that are not named are as many as there is room for. */
export type RowCounts = { readonly [S in RowSymbol]?: number }

/**
 * A handle: the numbers live in the engine. A `persistent` tensor (weights, optimiser state, caches, inputs)
 * keeps its buffer until it is freed; a `transient` one belongs to the program that computes it.
 */
export interface Tensor {
  readonly id: number
  readonly kind: 'persistent' | 'transient'
  readonly dtype: DType
  /** Row-major; the first dimension is what there is room for. */
  readonly shape: readonly number[]
  /** What the first dimension is counted in, if it differs from run to run. */
  readonly rows: Rows | null
}

/** One block of rows of a weight matrix: numbers in memory, or bytes of a source from `offset` on. */
export type WeightPart =
  | ({ dtype: 'F32' | 'F16' | 'BF16'; rows: number } & (
      | { data: Float32Array | Uint16Array }
      | { source: ByteSource; offset: number }
    ))
  | BlockPart

/** Rows of blocks, of whole blocks each. */
export type BlockPart = { dtype: BlockType; rows: number } & (
  | { data: Uint8Array }
  | { source: ByteSource; offset: number }
)

/** Whether a part's numbers lie in blocks. */
export function isBlockPart(part: WeightPart): part is BlockPart {
  return Object.hasOwn(blockTypes, part.dtype)
}

/** The typed array that holds a tensor's values on the JavaScript side; bfloat16 is widened to float32. */
export type TensorData = Float32Array | Int32Array

export const bytesPerElement: { readonly [K in DType]: number } = { float32: 4, bfloat16: 2, int32: 4 }

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

let nextId = 0

/** A new handle; engines attach a buffer to persistent ones, programs to transient ones. */
export function tensorHandle(
  kind: Tensor['kind'],
  dtype: DType,
  shape: readonly Dimension[],
  rows: Rows | null = null,
): Tensor {
  nextId += 1
  const [first] = shape
  const counted = typeof first === 'object' ? { symbol: first.symbol, factor: first.factor } : rows
  return { id: nextId, kind, dtype, shape: shape.map(sizeOfDimension), rows: counted }
}

function sizeOfDimension(dimension: Dimension): number {
  return typeof dimension === 'number' ? dimension : dimension.factor * dimension.capacity
}

/** The shape that a tensor has in a run. */
export function shapeInRun({ shape, rows }: Tensor, counts: RowCounts): readonly number[] {
  const count = rows && counts[rows.symbol]
  return rows && count ? [count * rows.factor, ...shape.slice(1)] : shape
}
