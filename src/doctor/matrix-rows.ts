import { dequantize, readTensorBytes, toFloat32, type ByteRange } from '../formats/index.ts'
import { FettleError } from '../error.ts'
import type { ModelFiles } from './model-files.ts'

/** The rows of a matrix of a model's files, read one by one: the whole may be gigabytes. */
export interface MatrixRows {
  name: string
  count: number
  read(row: number): Promise<Float32Array>
}

/** A matrix by its name in the files; undefined where there is none, or none that fettle can read. */
export async function matrixRows(
  { tensors, ggufTensors }: ModelFiles,
  name: string,
): Promise<MatrixRows | undefined> {
  const plain = tensors.get(name)
  const quantised = ggufTensors.get(name)
  const rows =
    (plain && rowsOf(plain, (bytes) => toFloat32(bytes, plain.dtype))) ??
    (quantised && rowsOf(quantised, (bytes) => dequantize(bytes, quantised.type)))
  if (rows === undefined || rows.count === 0) return undefined
  try {
    await rows.read(0)
    return rows
  } catch (error) {
    // Integers and rare quantisations say nothing of norms.
    if (error instanceof FettleError) return undefined
    throw error
  }
}

function rowsOf(
  { name, shape, path, offset, byteLength }: ByteRange & { name: string; shape: readonly number[] },
  decode: (bytes: Uint8Array) => Float32Array,
): MatrixRows {
  const count = shape.length === 2 ? shape[0] : 0
  const rowBytes = byteLength / count
  const read = (row: number) =>
    readTensorBytes({ path, offset: offset + row * rowBytes, byteLength: rowBytes })
  return { name, count, read: async (row) => decode(await read(row)) }
}
