/** A matrix inside an array, by strides: element (i, d) is data[start + i · outer + d · depth]. */
export interface Strided {
  data: Float32Array
  start: number
  outer: number
  depth: number
}

/** Rows of a row-major matrix as the outer index, its columns as the depth that a product sums over. */
export function byRows(data: Float32Array, columns: number, start = 0): Strided {
  return { data, start, outer: columns, depth: 1 }
}

/** Columns of a row-major matrix as the outer index, its rows as the depth that a product sums over. */
export function byColumns(data: Float32Array, columns: number, start = 0): Strided {
  return { data, start, outer: 1, depth: columns }
}

/** Rows of `a` that are copied at a time, so that copying `b` costs a 64th of the arithmetic. */
const blockRows = 64

let packedA = new Float64Array(0)
let packedB = new Float64Array(0)
const sums = new Float64Array(16)

/**
 * The matrix product of all ops: c[m, n] += factor · Σ_d a(m, d) · b(n, d), summed in double precision.
 * Blocks of 4 × 4 sums run over operands copied into panels of four ([depth][4]), the plain form of
 * Goto and van de Geijn 2008, https://doi.org/10.1145/1356052.1356053
 *
 * @param c       where to add; element (m, n) is data[start + m · stride + n]
 * @param size    [rows of c, columns of c, depth]
 */
export function addProduct(
  c: { data: Float32Array; start?: number; stride: number },
  [rows, columns, depth]: readonly [number, number, number],
  a: Strided,
  b: Strided,
  factor = 1,
): void {
  const { data, start = 0, stride } = c
  if (rows < 4) return addFewRows(c, [rows, columns, depth], a, b, factor)
  const panel = 4 * depth
  if (packedA.length < (blockRows / 4) * panel) packedA = new Float64Array((blockRows / 4) * panel)
  if (packedB.length < panel) packedB = new Float64Array(panel)
  for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
    const lastRow = Math.min(rows, firstRow + blockRows)
    for (let m = firstRow; m < lastRow; m += 4) pack(a, m, rows, depth, packedA, (m - firstRow) * depth)
    for (let n = 0; n < columns; n += 4) {
      pack(b, n, columns, depth, packedB, 0)
      const width = Math.min(4, columns - n)
      for (let m = firstRow; m < lastRow; m += 4) {
        multiplyPanels(packedA, (m - firstRow) * depth, packedB, panel)
        const height = Math.min(4, lastRow - m)
        for (let i = 0; i < height; i += 1) {
          const at = start + (m + i) * stride + n
          for (let j = 0; j < width; j += 1) data[at + j] += factor * sums[4 * i + j]
        }
      }
    }
  }
}

/** Copies rows first … first + 3 side by side, [depth][4]; rows past the end are zeros. */
function pack(from: Strided, first: number, end: number, depth: number, to: Float64Array, at: number): void {
  const { data, start, outer, depth: step } = from
  for (let i = 0; i < 4; i += 1) {
    let source = start + (first + i) * outer
    const inside = first + i < end
    for (let target = at + i; target < at + 4 * depth; target += 4) {
      to[target] = inside ? data[source] : 0
      source += step
    }
  }
}

/** sums[i, j] = Σ_d a[d, i] · b[d, j] for i, j < 4; sixteen sums hide the latency of the additions. */
function multiplyPanels(a: Float64Array, at: number, b: Float64Array, length: number): void {
  let [s00, s01, s02, s03] = [0, 0, 0, 0]
  let [s10, s11, s12, s13] = [0, 0, 0, 0]
  let [s20, s21, s22, s23] = [0, 0, 0, 0]
  let [s30, s31, s32, s33] = [0, 0, 0, 0]
  for (let d = 0; d < length; d += 4) {
    const b0 = b[d]
    const b1 = b[d + 1]
    const b2 = b[d + 2]
    const b3 = b[d + 3]
    const a0 = a[at + d]
    s00 += a0 * b0
    s01 += a0 * b1
    s02 += a0 * b2
    s03 += a0 * b3
    const a1 = a[at + d + 1]
    s10 += a1 * b0
    s11 += a1 * b1
    s12 += a1 * b2
    s13 += a1 * b3
    const a2 = a[at + d + 2]
    s20 += a2 * b0
    s21 += a2 * b1
    s22 += a2 * b2
    s23 += a2 * b3
    const a3 = a[at + d + 3]
    s30 += a3 * b0
    s31 += a3 * b1
    s32 += a3 * b2
    s33 += a3 * b3
  }
  sums[0] = s00
  sums[1] = s01
  sums[2] = s02
  sums[3] = s03
  sums[4] = s10
  sums[5] = s11
  sums[6] = s12
  sums[7] = s13
  sums[8] = s20
  sums[9] = s21
  sums[10] = s22
  sums[11] = s23
  sums[12] = s30
  sums[13] = s31
  sums[14] = s32
  sums[15] = s33
}

/** The same for one to three rows (generation): each element of `b` is read once, so nothing is copied. */
function addFewRows(
  { data, start = 0, stride }: { data: Float32Array; start?: number; stride: number },
  [rows, columns, depth]: readonly [number, number, number],
  a: Strided,
  b: Strided,
  factor: number,
): void {
  for (let m = 0; m < rows; m += 1) {
    for (let n = 0; n < columns; n += 1) {
      let i = a.start + m * a.outer
      let j = b.start + n * b.outer
      let even = 0
      let odd = 0
      let d = 0
      for (; d + 1 < depth; d += 2) {
        even += a.data[i] * b.data[j]
        odd += a.data[i + a.depth] * b.data[j + b.depth]
        i += 2 * a.depth
        j += 2 * b.depth
      }
      if (d < depth) even += a.data[i] * b.data[j]
      data[start + m * stride + n] += factor * (even + odd)
    }
  }
}
