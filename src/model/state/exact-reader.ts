/** Some rows of a parameter; of a vector its numbers. */
export interface RowRange {
  first: number
  rows: number
}

/**
 * Reads values of a parameter in float32, all or those of some rows; each time it is called, into an array of the caller's. A large table
 * is read row by row, so that it need not be in memory at once.
 */
export type ExactReader = (range?: RowRange) => Promise<Float32Array>

/** Reads values that are in memory. */
export function readerOf(values: Float32Array, columns: number): ExactReader {
  return async (range) => rowsWithin(values, columns, range).slice()
}

/** Reads of what can be made as a whole only. */
export function wholeReader(read: () => Promise<Float32Array>, columns: number): ExactReader {
  return async (range) => rowsWithin(await read(), columns, range)
}

/** These rows of all values, in the same memory. */
export function rowsWithin(values: Float32Array, columns: number, range?: RowRange): Float32Array {
  return range ? values.subarray(range.first * columns, (range.first + range.rows) * columns) : values
}
