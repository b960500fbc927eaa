import { roundThrough } from '../../quantization.ts'
import type { Matrix } from '../kernel.ts'

/** Numbers that share a scale. */
const blockSize = 128

/**
 * The numbers that stay when activations are rounded to 8 bits in blocks of 128 columns, each as a row of an int8 weight
 * is rounded. The last block of each part of the columns is shorter where need be.
 *
 * @param values   [rows, columns]
 * @param parts    columns of the parts; without it all are one
 */
export function roundActivations(
  values: Float32Array,
  columns: number,
  parts: readonly number[] = [columns],
): Float32Array {
  const rounded = new Float32Array(values.length)
  for (let row = 0; row < values.length; row += columns) {
    let at = row
    for (const part of parts) {
      const end = at + part
      for (; at < end; at = Math.min(at + blockSize, end)) {
        const block = values.subarray(at, Math.min(at + blockSize, end))
        rounded.set(roundThrough(block, block.length, 'int8'), at)
      }
    }
  }
  return rounded
}

/**
 * Operands of dx = dy W, in which W's row scales lie along the depth, so that dy is multiplied by them before it is rounded.
 *
 * @param dy        [M, N]
 * @param segments  rows of W's parts
 * @returns         dy · scale, rounded [M, N]; the codes of W [N, K]
 */
export function roundedGradient(
  dy: Matrix,
  weight: Matrix,
  segments: readonly number[],
): { gradient: Float32Array; codes: Float32Array } {
  const scales = weight.rowScales
  if (!scales) throw new Error('linear: int8Activations with a weight that is not held as int8')
  const scaled = dy.data.map((value, i) => value * scales[i % dy.columns])
  const codes = weight.data.map((value, i) => Math.round(value / scales[Math.floor(i / weight.columns)]) || 0)
  return { gradient: roundActivations(scaled, dy.columns, segments), codes }
}
