import type { Kernel } from '../kernel.ts'
import { addProduct, byRows } from './product.ts'

/**
 * y = residual + bias + c · x with c = magnitude · inverseNorms, column by column;
 * x' = c · y',  magnitude' = inverseNorms · Σ_m y' x,  bias' = Σ_m y'. x, residual [M, N], the others [N] → y [M, N].
 * Source: Liu et al. 2024, https://arxiv.org/abs/2402.09353, which takes the norms as constants
 */
export const scaleColumns: Kernel<'scaleColumns'> = {
  forward({ x, magnitude, inverseNorms, bias, residual }, { y }) {
    const N = x.columns
    for (let i = 0; i < x.data.length; i += 1) {
      const n = i % N
      const scaled = x.data[i] * magnitude.data[n] * inverseNorms.data[n]
      y.data[i] = scaled + (bias?.data[n] ?? 0) + (residual?.data[i] ?? 0)
    }
  },
  vjp(saved, { y: dy }, { x: dx, magnitude: dMagnitude, bias: dBias }) {
    const N = dy.columns
    for (let i = 0; i < dy.data.length; i += 1) {
      const n = i % N
      if (dx) dx.data[i] += dy.data[i] * saved.magnitude.data[n] * saved.inverseNorms.data[n]
      if (dMagnitude) dMagnitude.data[n] += dy.data[i] * saved.x.data[i] * saved.inverseNorms.data[n]
      if (dBias) dBias.data[n] += dy.data[i]
    }
  },
}

/**
 * y[n] = 1 / ‖W_n + s B_n A‖, ‖W_n + s B_n A‖² = squares[n] + 2 s B_n · products[:, n] + s² B_n (A Aᵀ) B_nᵀ.
 * squares [N], products [ΣR, N], loraA [ΣR, K], loraB [N, largest rank] → y [N]
 */
export const inverseNorms: Kernel<'inverseNorms'> = {
  forward({ squares, products, loraA, loraB }, { y }, { segments }) {
    const [N, K, stride] = [y.data.length, loraA.columns, loraB.columns]
    let first = 0
    let firstRank = 0
    for (let segment = 0; segment < segments.length; segment += 3) {
      const [rows, rank, scaling] = segments.slice(segment, segment + 3)
      const gram = new Float32Array(rank * rank)
      const a = byRows(loraA.data, K, firstRank * K)
      addProduct({ data: gram, stride: rank }, [rank, rank, K], a, a)
      for (let n = first; n < first + rows; n += 1) {
        const b = loraB.data.subarray(n * stride, n * stride + rank)
        let square = squares.data[n]
        b.forEach((value, i) => {
          square += 2 * scaling * value * products.data[(firstRank + i) * N + n]
          b.forEach((other, j) => (square += scaling ** 2 * value * other * gram[i * rank + j]))
        })
        y.data[n] = rank === 0 ? 1 : 1 / Math.sqrt(square)
      }
      first += rows
      firstRank += rank
    }
  },
  vjp: null,
}
