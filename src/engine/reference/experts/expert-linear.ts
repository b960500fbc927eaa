import type { Kernel, Matrix } from '../kernel.ts'
import { linear } from '../products/linear.ts'
import { eachExpert } from './expert-rows.ts'

/**
 * Of each expert the linear op on its rows, with the bias times the row's scale s: bias'_e = Σ s y',  s' = y' · bias_e.
 *
 * x [R, K], ends [E], weight [E · N, K], bias [E · N], scales [R], loraA [E · rank, K], loraB [E · N, rank] → y [R, N], t [R, rank]
 */
export const expertLinear: Kernel<'expertLinear'> = {
  forward({ x, ends, weight, bias, scales, loraA, loraB }, { y, t }, attributes) {
    const { width: N, rank } = attributes
    eachExpert(ends, (e, begin, end) => {
      const none = { residual: null, dropoutSeed: null, bias: null }
      const own = {
        weight: rowsOf(weight, e * N, (e + 1) * N),
        loraA: loraA && rowsOf(loraA, e * rank, (e + 1) * rank),
        loraB: loraB && rowsOf(loraB, e * N, (e + 1) * N),
      }
      linear.forward(
        { ...none, ...own, x: rowsOf(x, begin, end) },
        { y: rowsOf(y, begin, end), t: t && rowsOf(t, begin, end) },
        linearAttributes(attributes),
      )
      if (!bias) return
      for (let r = begin; r < end; r += 1)
        for (let n = 0; n < N; n += 1)
          y.data[r * N + n] += (scales ? scales.data[r] : 1) * bias.data[e * N + n]
    })
  },

  vjp(saved, { y: dy }, wanted, attributes) {
    const { width: N, rank } = attributes
    const { x: dx, weight: dWeight, bias: dBias, scales: dScales, loraA: dA, loraB: dB } = wanted
    eachExpert(saved.ends, (e, begin, end) => {
      const ofRows = (matrix: Matrix | null) => matrix && rowsOf(matrix, begin, end)
      const ofWidth = (matrix: Matrix | null) => matrix && rowsOf(matrix, e * N, (e + 1) * N)
      const ofRank = (matrix: Matrix | null) => matrix && rowsOf(matrix, e * rank, (e + 1) * rank)
      const given = rowsOf(dy, begin, end)
      linear.vjp?.(
        {
          x: dWeight || dA ? rowsOf(saved.x, begin, end) : given,
          weight: dx ? rowsOf(saved.weight, e * N, (e + 1) * N) : given,
          bias: null,
          residual: null,
          loraA: ofRank(saved.loraA),
          loraB: ofWidth(saved.loraB),
          dropoutSeed: null,
          y: given,
          t: ofRows(saved.t),
        },
        { y: given, t: given },
        { x: ofRows(dx), weight: ofWidth(dWeight), bias: null, loraA: ofRank(dA), loraB: ofWidth(dB) },
        linearAttributes(attributes),
      )
      for (let r = begin; r < end; r += 1)
        for (let n = 0; n < N; n += 1) {
          const d = dy.data[r * N + n]
          if (dBias) dBias.data[e * N + n] += (saved.scales ? saved.scales.data[r] : 1) * d
          if (dScales && saved.bias) dScales.data[r] += d * saved.bias.data[e * N + n]
        }
    })
  },
}

function linearAttributes({ width, rank, scaling }: { width: number; rank: number; scaling: number }) {
  return {
    float32Output: 0,
    dropout: 0,
    seed: 0,
    int8Activations: 0,
    segments: [width, rank, scaling],
  } as const
}

/** Rows [begin, end) of a matrix. */
function rowsOf({ data, columns, rowScales }: Matrix, begin: number, end: number): Matrix {
  return {
    data: data.subarray(begin * columns, end * columns),
    shape: [end - begin, columns],
    rows: end - begin,
    columns,
    ...(rowScales && { rowScales: rowScales.subarray(begin, end) }),
  }
}
