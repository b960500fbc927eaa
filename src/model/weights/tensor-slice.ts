import type { Parameter } from './parameters.ts'
import { partShape } from './parameters.ts'
import type { Transform } from './transforms.ts'

/** A named tensor of a file inside a larger one in memory: rows of `columns` values, `stride` apart. */
export interface TensorSlice {
  name: string
  /** In the file. */
  shape: readonly number[]
  /** Elements from the start of the tensor in memory. */
  offset: number
  rows: number
  columns: number
  stride: number
  /** What happens to it between memory and the file, and its shape in memory. */
  stored?: { transform: Transform; shape: readonly number[] } | undefined
}

/** The tensors of model.safetensors that a parameter is made of. */
export function slicesOf(parameter: Parameter): TensorSlice[] {
  const { columns } = parameter
  let row = 0
  return parameter.parts.map(({ rows, safetensors: { name, transform } }) => {
    const offset = row * columns
    row += rows
    const shape = partShape(parameter, rows)
    const stored = transform && { transform, shape }
    const fileShape = transform?.fileShape(shape) ?? shape
    return { name, shape: fileShape, offset, rows, columns, stride: columns, stored }
  })
}

/** The numbers of a slice as the file has them, taken out of the tensor's in memory. */
export function extractSlice(
  values: Float32Array,
  { offset, rows, columns, stride, stored }: TensorSlice,
  kind: 'values' | 'gradient' = 'values',
): Float32Array {
  const out = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row += 1)
    out.set(values.subarray(offset + row * stride, offset + row * stride + columns), row * columns)
  if (!stored) return out
  const { transform, shape } = stored
  return kind === 'gradient' && transform.gradientToFile
    ? transform.gradientToFile(out, shape)
    : transform.toFile(out, shape)
}

/** Puts the numbers that a file has for a slice into the tensor's in memory. */
export function insertSlice(
  values: Float32Array,
  { offset, rows, columns, stride, stored }: TensorSlice,
  data: Float32Array,
): void {
  const inMemory = stored ? stored.transform.fromFile(data, stored.shape) : data
  for (let row = 0; row < rows; row += 1)
    values.set(inMemory.subarray(row * columns, (row + 1) * columns), offset + row * stride)
}
