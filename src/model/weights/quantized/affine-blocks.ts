import type { BlockPart } from '../../../engine/tensor.ts'
import { float32ToFloat16 } from '../../../float16.ts'

/** A packed matrix, to be gone through. */
export interface PackedMatrix {
  rows: number
  depth: number
  bits: 4 | 8
  /** [groups, rows] */
  scales: Float32Array
  /** [groups, rows] */
  zeros: Uint16Array
  /** [depth] */
  groupOf: Int32Array
  code(row: number, k: number): number
}

/** Numbers of a block. */
const blockSize = 32

/** Whether all inputs of a block are of one group, as they are where no act-order moved them; and no block is cut off. */
export function hasBlocks(groupOf: Int32Array): boolean {
  return (
    groupOf.length % blockSize === 0 && groupOf.every((group, k) => group === groupOf[k - (k % blockSize)])
  )
}

/** A packed matrix with blocks, and scales in float16, as the engine reads it in place (native/blocks.h): the same numbers. */
export function packAffine({ rows, depth, bits, scales, zeros, groupOf, code }: PackedMatrix): BlockPart {
  const inHalves = float32ToFloat16(scales)
  const blockBytes = 4 + blockSize * (bits / 8)
  const perRow = depth / blockSize
  const data = new Uint8Array(rows * perRow * blockBytes)
  const view = new DataView(data.buffer)
  for (let b = 0; b < perRow; b += 1) {
    const k = b * blockSize
    const group = groupOf[k] * rows
    for (let n = 0; n < rows; n += 1) {
      const at = (n * perRow + b) * blockBytes
      view.setUint16(at, inHalves[group + n], true)
      view.setUint16(at + 2, zeros[group + n], true)
      if (bits === 8) for (let j = 0; j < blockSize; j += 1) data[at + 4 + j] = code(n, k + j)
      else for (let j = 0; j < 16; j += 1) data[at + 4 + j] = code(n, k + j) | (code(n, k + j + 16) << 4)
    }
  }
  return { data, dtype: bits === 4 ? 'affine4' : 'affine8', rows }
}
