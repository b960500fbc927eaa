import { isBlockPart, rowBytes } from '../../engine/index.ts'
import type { WeightPart } from '../../engine/tensor.ts'

/** Some rows of a part, without reading it. */
export function rowsOfPart(part: WeightPart, columns: number, first: number, rows: number): WeightPart {
  if (isBlockPart(part)) {
    const bytes = rowBytes(part.dtype, columns)
    return 'data' in part
      ? { ...part, rows, data: part.data.subarray(first * bytes, (first + rows) * bytes) }
      : { ...part, rows, offset: part.offset + first * bytes }
  }
  return 'data' in part
    ? { ...part, rows, data: part.data.subarray(first * columns, (first + rows) * columns) }
    : { ...part, rows, offset: part.offset + first * columns * (part.dtype === 'F32' ? 4 : 2) }
}
