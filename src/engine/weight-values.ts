import { FettleError, messageOf } from '../error.ts'
import { bfloat16ToFloat32, float16ToFloat32 } from '../formats/float16.ts'
import type { WeightForm } from './quantization.ts'
import { quantize, roundThrough } from './quantization.ts'
import type { WeightPart } from './tensor.ts'

/** A weight matrix in float32 from its blocks of rows, one after the other. [Σ rows, columns] */
export function readWeight(columns: number, parts: readonly WeightPart[]): Float32Array {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const values = new Float32Array(rows * columns)
  let at = 0
  for (const part of parts) {
    const length = part.rows * columns
    const found = 'path' in part ? readPart(part, length) : part.data
    if (found.length !== length) throw new Error(`weight: ${found.length} values, expected ${length}`)
    const block = values.subarray(at, at + length)
    if (found instanceof Float32Array) block.set(found)
    else if (part.dtype === 'BF16') bfloat16ToFloat32(found, block)
    else float16ToFloat32(found, block)
    at += length
  }
  return values
}

/** The same with the numbers that stay of each block of rows in that form. */
export function readQuantized(columns: number, parts: readonly WeightPart[], form: WeightForm): Float32Array {
  const rounded = parts.map((part) => roundThrough(readWeight(columns, [part]), columns, form))
  const values = new Float32Array(rounded.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of rounded) {
    values.set(part, at)
    at += part.length
  }
  return values
}

/** The scales of an int8 weight's rows. [Σ rows] */
export function readRowScales(columns: number, parts: readonly WeightPart[]): Float32Array {
  return quantize(readWeight(columns, parts), columns, 'int8').scales
}

/** Reads at once, since `Engine.weight` returns at once; only Node has files. */
function readPart(
  { path, offset, dtype }: { path: string; offset: number; dtype: WeightPart['dtype'] },
  length: number,
): Float32Array | Uint16Array {
  const values = dtype === 'F32' ? new Float32Array(length) : new Uint16Array(length)
  const bytes = new Uint8Array(values.buffer)
  try {
    const fs = process.getBuiltinModule('node:fs')
    const file = fs.openSync(path, 'r')
    try {
      let done = 0
      while (done < bytes.length) {
        // One call reads less than 2 GiB.
        const read = fs.readSync(file, bytes, done, Math.min(bytes.length - done, 2 ** 30), offset + done)
        if (read === 0) throw new Error(`the file ends ${bytes.length - done} bytes early`)
        done += read
      }
    } finally {
      fs.closeSync(file)
    }
  } catch (cause) {
    throw new FettleError(
      { place: path, found: messageOf(cause), expected: `${bytes.length} bytes at ${offset}` },
      { exitCode: 1, cause },
    )
  }
  return values
}
