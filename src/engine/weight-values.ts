import { bfloat16ToFloat32, float16ToFloat32 } from '../float16.ts'
import type { WeightForm } from './quantization.ts'
import { quantize, roundThrough } from './quantization.ts'
import { decodeBlocks, rowBytes } from './block-types.ts'
import type { BlockPart, WeightPart } from './tensor.ts'
import { isBlockPart } from './tensor.ts'

/** A weight matrix in float32 from its blocks of rows, one after the other. [Σ rows, columns] */
export async function readWeight(columns: number, parts: readonly WeightPart[]): Promise<Float32Array> {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const values = new Float32Array(rows * columns)
  let at = 0
  for (const part of parts) {
    const length = part.rows * columns
    const found = await readNumbers(columns, part)
    const block = values.subarray(at, at + length)
    if (found instanceof Float32Array) block.set(found)
    else if (part.dtype === 'BF16') bfloat16ToFloat32(found, block)
    else float16ToFloat32(found, block)
    at += length
  }
  return values
}

/** The same with the numbers that stay of each block of rows in that form. */
export async function readQuantized(
  columns: number,
  parts: readonly WeightPart[],
  form: WeightForm,
): Promise<Float32Array> {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const values = new Float32Array(rows * columns)
  let at = 0
  for (const part of parts) {
    values.set(roundThrough(await readWeight(columns, [part]), columns, form), at)
    at += part.rows * columns
  }
  return values
}

/** The scales of an int8 weight's rows. [Σ rows] */
export async function readRowScales(columns: number, parts: readonly WeightPart[]): Promise<Float32Array> {
  return quantize(await readWeight(columns, parts), columns, 'int8').scales
}

/** The bytes of a part that is blocks. */
export async function readBlocks(columns: number, part: BlockPart): Promise<Uint8Array> {
  const length = part.rows * rowBytes(part.dtype, columns)
  const bytes = 'data' in part ? part.data : await part.source.read(part.offset, length)
  if (bytes.length !== length) throw new Error(`weight: ${bytes.length} bytes, expected ${length}`)
  return bytes
}

/** The numbers of a part as they are stored: float32, or the 16 bits of the other types. */
export async function readNumbers(columns: number, part: WeightPart): Promise<Float32Array | Uint16Array> {
  const length = part.rows * columns
  if (isBlockPart(part)) return decodeBlocks(await readBlocks(columns, part), part.dtype)
  if ('data' in part) {
    if (part.data.length !== length) throw new Error(`weight: ${part.data.length} values, expected ${length}`)
    return part.data
  }
  const Numbers = part.dtype === 'F32' ? Float32Array : Uint16Array
  const found = await part.source.read(part.offset, length * Numbers.BYTES_PER_ELEMENT)
  if (found.length !== length * Numbers.BYTES_PER_ELEMENT)
    throw new Error(`weight: ${found.length} bytes, expected ${length * Numbers.BYTES_PER_ELEMENT}`)
  // Typed arrays begin at multiples of their elements.
  const bytes = found.byteOffset % Numbers.BYTES_PER_ELEMENT === 0 ? found : found.slice()
  return new Numbers(bytes.buffer as ArrayBuffer, bytes.byteOffset, length)
}
