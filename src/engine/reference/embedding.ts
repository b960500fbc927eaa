import type { Kernel } from './kernel.ts'

/** y[m] = scale · table[ids[m]]; table' [ids[m]] += scale · y'[m]. ids [M], table [V, H] → y [M, H]. */
export const embedding: Kernel<'embedding'> = {
  forward({ ids, table }, { y }, { scale }) {
    const width = y.columns
    ids.data.forEach((id, m) => {
      for (let i = 0; i < width; i += 1) y.data[m * width + i] = scale * table.data[id * width + i]
    })
  },
  vjp({ ids }, { y: dy }, { table: dTable }, { scale }) {
    if (dTable === null) return
    const width = dy.columns
    ids.data.forEach((id, m) => {
      for (let i = 0; i < width; i += 1) dTable.data[id * width + i] += scale * dy.data[m * width + i]
    })
  },
}

/** y[i] = x[rows[i]]; x'[rows[i]] += y'[i]. x [M, H], rows [m] → y [m, H]; a row −1 is padding: y = 0. */
export const selectRows: Kernel<'selectRows'> = {
  forward({ x, rows }, { y }) {
    const width = y.columns
    rows.data.forEach((row, i) => {
      if (row < 0) y.data.fill(0, i * width, (i + 1) * width)
      else y.data.set(x.data.subarray(row * width, (row + 1) * width), i * width)
    })
  },
  vjp({ rows }, { y: dy }, { x: dx }) {
    if (dx === null) return
    const width = dy.columns
    rows.data.forEach((row, i) => {
      if (row < 0) return
      for (let j = 0; j < width; j += 1) dx.data[row * width + j] += dy.data[i * width + j]
    })
  },
}
