/** Rows and columns of a tile: what is read and what is written of it stay in the processor's cache. */
const side = 16

/** [rows, columns] → [columns, rows] */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let top = 0; top < rows; top += side)
    for (let left = 0; left < columns; left += side) {
      const [bottom, right] = [Math.min(top + side, rows), Math.min(left + side, columns)]
      for (let column = left; column < right; column += 1)
        for (let row = top; row < bottom; row += 1) out[column * rows + row] = values[row * columns + column]
    }
  return out
}
