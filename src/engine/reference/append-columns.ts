import type { Kernel } from './kernel.ts'

/** y = [x, scale · t];  x' and t' are their columns of y'. x [M, H], t [M, R] → y [M, H + R]. */
export const appendColumns: Kernel<'appendColumns'> = {
  forward({ x, t }, { y }, { scale }) {
    for (let m = 0; m < x.rows; m += 1) {
      const row = y.data.subarray(m * y.columns, (m + 1) * y.columns)
      row.set(x.data.subarray(m * x.columns, (m + 1) * x.columns))
      for (let i = 0; i < t.columns; i += 1) row[x.columns + i] = scale * t.data[m * t.columns + i]
    }
  },
  vjp(_, { y: dy }, { x: dx, t: dt }, { scale }) {
    for (let m = 0; m < dy.rows; m += 1) {
      if (dx)
        for (let i = 0; i < dx.columns; i += 1) dx.data[m * dx.columns + i] += dy.data[m * dy.columns + i]
      if (dt)
        for (let i = 0; i < dt.columns; i += 1)
          dt.data[m * dt.columns + i] += scale * dy.data[(m + 1) * dy.columns - dt.columns + i]
    }
  },
}
