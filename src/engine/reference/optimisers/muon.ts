import { bfloat16ToNumber, numberToBfloat16 } from '../../../float16.ts'
import type { Kernel } from '../kernel.ts'

/** Of the polynomial that one step applies to each singular value, and how many steps. */
const [a, b, c] = [3.4445, -4.775, 2.0315]
const steps = 5
const smallestNorm = 1e-7

/**
 * Muon in place on the first columns, with g = clip · gradient:  m = m + (1−μ)(g − m),  u = g + μ (m − g) by Nesterov, else m,
 * p = p (1 − lr·decay) − lr · ratio · o, where o is u with all its singular values near one.
 * Source: Jordan 2024, https://kellerjordan.github.io/posts/muon/, as PyTorch computes it: in bfloat16, sums in float32
 *
 * hyper = [lr, ratio, μ, decay, nesterov]; parameters, gradients and m [R, S]
 */
export const muon: Kernel<'muon'> = {
  forward({ parameters, gradients, m, stats, hyper }, _, attributes) {
    const [rate, ratio, momentum, decay, nesterov] = hyper.data
    const clip = stats?.data[1] ?? 1
    const [rows, stride] = parameters.shape
    const columns = Math.min(stride, attributes.columns)
    const isTall = rows > columns
    const [short, long] = isTall ? [columns, rows] : [rows, columns]
    const x = new Float32Array(short * long)
    const placeOf = (row: number, column: number) => (isTall ? column * long + row : row * long + column)
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) {
        const at = row * stride + column
        const g = clip * gradients.data[at]
        const mean = m.data[at] + (1 - momentum) * (g - m.data[at])
        m.data[at] = mean
        x[placeOf(row, column)] = nesterov ? g + momentum * (mean - g) : mean
      }
    const o = orthogonal(x, short, long)
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) {
        const at = row * stride + column
        const update = rate * ratio * o[placeOf(row, column)]
        parameters.data[at] = parameters.data[at] * (1 - rate * decay) - update
      }
  },
  vjp: null,
}

/** x [short, long] with singular values near one, by Newton-Schulz: x = a x + (b g + c g²) x, g = x xᵀ. */
function orthogonal(given: Float32Array, short: number, long: number): Float32Array {
  let x = Float32Array.from(given, rounded)
  const norm = rounded(Math.sqrt(x.reduce((sum, value) => sum + value * value, 0)))
  x = Float32Array.from(x, (value) => rounded(value / Math.max(norm, smallestNorm)))
  for (let step = 0; step < steps; step += 1) {
    const gram = table(short, short, (i, j) => dot(x, i * long, 1, x, j * long, 1, long))
    const update = table(
      short,
      short,
      (i, j) => b * gram[i * short + j] + c * dot(gram, i * short, 1, gram, j, short, short),
    )
    const before = x
    x = table(
      short,
      long,
      (i, j) => a * before[i * long + j] + dot(update, i * short, 1, before, j, long, short),
    )
  }
  return x
}

function table(
  rows: number,
  columns: number,
  valueOf: (i: number, j: number) => number,
): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: rows * columns }, (_, at) =>
    rounded(valueOf(Math.floor(at / columns), at % columns)),
  )
}

function dot(
  x: Float32Array,
  xStart: number,
  xStep: number,
  y: Float32Array,
  yStart: number,
  yStep: number,
  length: number,
): number {
  let sum = 0
  for (let k = 0; k < length; k += 1) sum += x[xStart + k * xStep] * y[yStart + k * yStep]
  return sum
}

/** To bfloat16. */
function rounded(value: number): number {
  return bfloat16ToNumber(numberToBfloat16(value))
}
