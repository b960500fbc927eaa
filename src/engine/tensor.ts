import type { ByteSource } from '../formats/byte-source.ts'

/** Element types that an engine computes with. Files may hold others; they are converted when read. */
export type DType = 'float32' | 'bfloat16' | 'int32'

/**
 * A handle: the numbers live in the engine. A `persistent` tensor (weights, optimiser state, caches, inputs)
 * keeps its buffer until it is freed; a `transient` one belongs to the program that computes it.
 */
export interface Tensor {
  readonly id: number
  readonly kind: 'persistent' | 'transient'
  readonly dtype: DType
  /** Row-major. */
  readonly shape: readonly number[]
}

/** One block of rows of a weight matrix: numbers in memory, or bytes of a source from `offset` on. */
export type WeightPart = { dtype: 'F32' | 'F16' | 'BF16'; rows: number } & (
  | { data: Float32Array | Uint16Array }
  | { source: ByteSource; offset: number }
)

/** The typed array that holds a tensor's values on the JavaScript side; bfloat16 is widened to float32. */
export type TensorData = Float32Array | Int32Array

export const bytesPerElement: { readonly [K in DType]: number } = { float32: 4, bfloat16: 2, int32: 4 }

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

let nextId = 0

/** A new handle; engines attach a buffer to persistent ones, programs to transient ones. */
export function tensorHandle(kind: Tensor['kind'], dtype: DType, shape: readonly number[]): Tensor {
  nextId += 1
  return { id: nextId, kind, dtype, shape }
}
