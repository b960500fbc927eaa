import type { Kernel } from '../kernel.ts'

/**
 * Index of the largest of each row, the first of equals; −1 of a row that holds NaN or whose largest is infinite. x [M, V] →
 * y [M].
 */
export const argmax: Kernel<'argmax'> = {
  forward({ x }, { y }) {
    for (let m = 0; m < x.rows; m += 1) {
      const row = x.data.subarray(m * x.columns, (m + 1) * x.columns)
      let best = 0
      for (let i = 1; i < row.length; i += 1) if (row[i] > row[best]) best = i
      y.data[m] = Number.isFinite(row[best]) && !row.some(Number.isNaN) ? best : -1
    }
  },
  vjp: null,
}
