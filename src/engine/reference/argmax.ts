import type { Kernel } from './kernel.ts'

/** Index of the largest of each row, the first of equals; x [M, V] → y [M]. */
export const argmax: Kernel<'argmax'> = {
  forward({ x }, { y }) {
    for (let m = 0; m < x.rows; m += 1) {
      const at = m * x.columns
      let best = 0
      for (let i = 1; i < x.columns; i += 1) if (x.data[at + i] > x.data[at + best]) best = i
      y.data[m] = best
    }
  },
  vjp: null,
}
