import type { Kernel } from '../kernel.ts'

/**
 * Adafactor in place on the first C columns, with g = clip · gradient and s = g² + eps:
 * r = β r + (1−β) mean of each row of s,  c = β c + (1−β) mean of each column,  u = g / sqrt(r / mean(r) · c),
 * p = p (1 − lr·decay) − lr · u / max(1, rms(u) / d).
 * Of a vector, which is one row, this is u = g / sqrt(c): what Adafactor does without factors.
 * Source: Shazeer and Stern 2018, https://arxiv.org/abs/1804.04235, as transformers computes it
 *
 * hyper = [lr, β, eps, d, decay]; parameters and gradients [R, S], rowSquares [R], columnSquares [C]
 */
export const adafactor: Kernel<'adafactor'> = {
  forward({ parameters, gradients, rowSquares, columnSquares, stats, hyper }) {
    const [rate, beta, eps, threshold, decay] = hyper.data
    const clip = stats?.data[1] ?? 1
    const [rows, stride] = parameters.shape
    const columns = Math.min(stride, columnSquares.data.length)
    const g = (row: number, column: number) => clip * gradients.data[row * stride + column]
    const rowSums = new Float64Array(rows)
    const columnSums = new Float64Array(columns)
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) {
        const square = g(row, column) ** 2 + eps
        rowSums[row] += square
        columnSums[column] += square
      }
    const averaged = (state: Float32Array, sums: Float64Array, count: number) =>
      sums.forEach((sum, i) => (state[i] = beta * state[i] + (1 - beta) * (sum / count)))
    averaged(rowSquares.data, rowSums, columns)
    averaged(columnSquares.data, columnSums, rows)
    const mean = rowSquares.data.reduce((sum, square) => sum + square, 0) / rows
    const update = (row: number, column: number) =>
      g(row, column) / Math.sqrt((rowSquares.data[row] / mean) * columnSquares.data[column])
    let squares = 0
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) squares += update(row, column) ** 2
    const step = rate / Math.max(1, Math.sqrt(squares / (rows * columns)) / threshold)
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) {
        const at = row * stride + column
        parameters.data[at] = parameters.data[at] * (1 - rate * decay) - step * update(row, column)
      }
  },
  vjp: null,
}
