import type { Kernel } from './kernel.ts'

/**
 * y = x beside columns of `from`;  x' and from' are the columns of y' that came from them.
 *
 * x [M, X], from [M, C] → y [M, X + width]
 */
export const joinColumns: Kernel<'joinColumns'> = {
  forward({ x, from }, { y }, { first, width }) {
    for (let m = 0; m < y.rows; m += 1) {
      y.data.set(x.data.subarray(m * x.columns, (m + 1) * x.columns), m * y.columns)
      const begin = m * from.columns + first
      y.data.set(from.data.subarray(begin, begin + width), m * y.columns + x.columns)
    }
  },
  vjp(_, { y: dy }, { x: dx, from: dFrom }, { first, width }) {
    const own = dy.columns - width
    for (let m = 0; m < dy.rows; m += 1)
      for (let i = 0; i < dy.columns; i += 1) {
        const d = dy.data[m * dy.columns + i]
        if (i < own && dx) dx.data[m * own + i] += d
        if (i >= own && dFrom) dFrom.data[m * dFrom.columns + first + i - own] += d
      }
  },
}
