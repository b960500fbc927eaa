import { dropoutKeeps } from '../../dropout.ts'
import type { Attributes } from '../../ops.ts'
import type { Kernel, Matrix } from '../kernel.ts'
import { roundActivations, roundedGradient } from './int8-activations.ts'
import { addProduct, byColumns, byRows } from './product.ts'

/** A block of output columns with a LoRA of its own. */
interface Segment {
  /** Number of the segment, which goes into its dropout mask. */
  index: number
  firstColumn: number
  columns: number
  /** Column of t and row of A where this segment's rank begins. */
  firstRank: number
  rank: number
  scaling: number
}

/**
 * y = x Wᵀ + bias + residual + Σ_s scaling_s · t_s B_sᵀ, t_s = drop_s(x) A_sᵀ, each segment s on its own columns.
 * With t'_s = scaling_s · y'_s B_s:
 * x' = y' W + Σ_s drop_s(t'_s A_s),  W' = y'ᵀ x,  bias' = Σ_m y',  A'_s = t'_sᵀ drop_s(x),  B'_s = scaling_s · y'_sᵀ t_s.
 * The dropout is on LoRA's input only, inverted: drop(x) = keep · x / (1 − p), and so is its own transpose.
 * With int8Activations, x in x Wᵀ and y' in y' W are rounded; see int8-activations.ts.
 * Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685, as PEFT computes it
 *
 * x [M, K], weight [N, K], bias [N], residual [M, N], loraA [Σ rank, K], loraB [N, largest rank]
 * → y [M, N], t [M, Σ rank]
 */
export const linear: Kernel<'linear'> = {
  forward({ x, weight, bias, residual, loraA, loraB, dropoutSeed }, { y, t }, attributes) {
    const [M, N, K] = [x.rows, y.columns, x.columns]
    if (residual) y.data.set(residual.data)
    else y.data.fill(0)
    if (bias) for (let i = 0; i < M * N; i += 1) y.data[i] += bias.data[i % N]
    const input = attributes.int8Activations === 1 ? roundActivations(x.data, K) : x.data
    addProduct({ data: y.data, stride: N }, [M, N, K], byRows(input, K), byRows(weight.data, K))
    if (!loraA || !loraB) return

    const ranks = loraA.rows
    const projected = t?.data ?? new Float32Array(M * ranks)
    projected.fill(0)
    for (const segment of segmentsOf(attributes)) {
      const { firstRank, rank, firstColumn, columns } = segment
      const dropped = dropout(x, segment, attributes, dropoutSeed)
      const tOfSegment = { data: projected, start: firstRank, stride: ranks }
      addProduct(tOfSegment, [M, rank, K], byRows(dropped, K), byRows(loraA.data, K, firstRank * K))
      addProduct(
        { data: y.data, start: firstColumn, stride: N },
        [M, columns, rank],
        byRows(projected, ranks, firstRank),
        byRows(loraB.data, loraB.columns, firstColumn * loraB.columns),
        segment.scaling,
      )
    }
  },

  vjp(saved, { y: dy }, { x: dx, weight: dWeight, bias: dBias, loraA: dA, loraB: dB }, attributes) {
    const [M, N] = [dy.rows, dy.columns]
    if (dx) {
      const K = dx.columns
      const parts = segmentsOf(attributes).map(({ columns }) => columns)
      const { gradient, codes } =
        attributes.int8Activations === 1
          ? roundedGradient(dy, saved.weight, parts)
          : { gradient: dy.data, codes: saved.weight.data }
      addProduct({ data: dx.data, stride: K }, [M, K, N], byRows(gradient, N), byColumns(codes, K))
    }
    if (dWeight) {
      const K = dWeight.columns
      const x = byColumns(saved.x.data, K)
      addProduct({ data: dWeight.data, stride: K }, [N, K, M], byColumns(dy.data, N), x)
    }
    if (dBias) for (let i = 0; i < M * N; i += 1) dBias.data[i % N] += dy.data[i]

    const { loraA, loraB, t } = saved
    if (!loraA || !loraB) return
    const K = loraA.columns
    const ranks = loraA.rows
    for (const segment of segmentsOf(attributes)) {
      const { firstRank, rank, firstColumn, columns, scaling } = segment
      if (rank === 0) continue
      const B = byColumns(loraB.data, loraB.columns, firstColumn * loraB.columns)
      const dt = new Float32Array(M * rank)
      addProduct({ data: dt, stride: rank }, [M, rank, columns], byRows(dy.data, N, firstColumn), B, scaling)
      if (dx) {
        const viaLora = new Float32Array(M * K)
        const A = byColumns(loraA.data, K, firstRank * K)
        addProduct({ data: viaLora, stride: K }, [M, K, rank], byRows(dt, rank), A)
        const masked = dropout({ ...dx, data: viaLora }, segment, attributes, saved.dropoutSeed)
        for (let i = 0; i < M * K; i += 1) dx.data[i] += masked[i]
      }
      if (dA) {
        const dropped = byColumns(dropout(saved.x, segment, attributes, saved.dropoutSeed), K)
        const rowsOfSegment = { data: dA.data, start: firstRank * K, stride: K }
        addProduct(rowsOfSegment, [rank, K, M], byColumns(dt, rank), dropped)
      }
      if (dB && t)
        addProduct(
          { data: dB.data, start: firstColumn * dB.columns, stride: dB.columns },
          [columns, rank, M],
          byColumns(dy.data, N, firstColumn),
          byColumns(t.data, ranks, firstRank),
          scaling,
        )
    }
  },
}

/** x with this segment's dropout mask applied; x itself without dropout. [M, K] */
function dropout(
  x: Matrix,
  { index }: Segment,
  { dropout: p, seed: place }: Attributes<'linear'>,
  seedOfPass: Matrix<Int32Array> | null,
): Float32Array {
  if (p === 0) return x.data
  const seed = (seedOfPass?.data[0] ?? 0) + place
  const threshold = Math.floor(p * 2 ** 32)
  return x.data.map((value, element) => (dropoutKeeps(seed, index, element, threshold) ? value / (1 - p) : 0))
}

function segmentsOf({ segments: flat }: Attributes<'linear'>): Segment[] {
  const segments: Segment[] = []
  let firstColumn = 0
  let firstRank = 0
  for (let i = 0; i < flat.length; i += 3) {
    const [columns, rank, scaling] = flat.slice(i, i + 3)
    segments.push({ index: i / 3, firstColumn, columns, firstRank, rank, scaling })
    firstColumn += columns
    firstRank += rank
  }
  return segments
}
