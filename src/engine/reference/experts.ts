import { activationOf } from './activation.ts'
import type { Kernel, Matrix } from './kernel.ts'
import { linear } from './linear.ts'

type Integers = Matrix<Int32Array>

/** body(e, begin, end) for each expert that has rows [begin, end). */
function eachExpert(
  { data: ends }: Integers,
  body: (expert: number, begin: number, end: number) => void,
): void {
  ends.forEach((end, expert) => {
    const begin = expert === 0 ? 0 : ends[expert - 1]
    if (begin < end) body(expert, begin, end)
  })
}

/** The expert of each row. */
function expertsOf(ends: Integers, rows: number): Int32Array {
  const experts = new Int32Array(rows)
  eachExpert(ends, (expert, begin, end) => experts.fill(expert, begin, end))
  return experts
}

/**
 * w_e = exp(l_e) / Σ exp(l) for the topK largest logits l of a token, the sum over these or over all. With the softmax p over
 * the same ones: l_e' = p_e · (w_e' − Σ_chosen p w'), w' being 0 where an expert was not chosen.
 * Source: Shazeer et al. 2017, https://arxiv.org/abs/1701.06538; Fedus et al. 2021, https://arxiv.org/abs/2101.03961
 *
 * logits [M, E] → weights, tokens, rows [topK · M], ends [E]
 */
export const route: Kernel<'route'> = {
  forward({ logits }, { weights, tokens, rows, ends }, { topK, normalised }) {
    const [M, E] = [logits.rows, logits.columns]
    const chosen = Array.from({ length: M }, (_, m) => {
      const ofToken = logits.data.subarray(m * E, (m + 1) * E)
      const largest = [...ofToken.keys()].toSorted((a, b) => ofToken[b] - ofToken[a] || a - b).slice(0, topK)
      return largest.toSorted((a, b) => a - b)
    })
    let row = 0
    const placed = new Int32Array(M)
    for (let expert = 0; expert < E; expert += 1) {
      for (let m = 0; m < M; m += 1) {
        if (!chosen[m].includes(expert)) continue
        tokens.data[row] = m
        rows.data[topK * m + placed[m]] = row
        placed[m] += 1
        weights.data[row] = softmaxOf(logits, m, normalised === 1 ? chosen[m] : null)[expert]
        row += 1
      }
      ends.data[expert] = row
    }
  },
  vjp({ logits, weights, rows, ends }, { weights: dWeights }, { logits: dLogits }, { topK, normalised }) {
    if (dLogits === null) return
    const E = dLogits.columns
    const experts = expertsOf(ends, weights.rows * weights.columns)
    for (let m = 0; m < dLogits.rows; m += 1) {
      const own = rows.data.subarray(topK * m, topK * (m + 1))
      const chosen = [...own].map((row) => experts[row])
      const p = softmaxOf(logits, m, normalised === 1 ? chosen : null)
      const mean = own.reduce((sum, row) => sum + weights.data[row] * dWeights.data[row], 0)
      for (let expert = 0; expert < E; expert += 1) dLogits.data[m * E + expert] -= p[expert] * mean
      for (const row of own) dLogits.data[m * E + experts[row]] += p[experts[row]] * dWeights.data[row]
    }
  },
}

/** The softmax of a row over some of its columns, zeros elsewhere; null: over all. */
export function softmaxOf(
  { data, columns }: Matrix,
  row: number,
  chosen: readonly number[] | null,
): Float64Array {
  const all = chosen ?? Array.from({ length: columns }, (_, column) => column)
  const largest = Math.max(...all.map((column) => data[row * columns + column]))
  const p = new Float64Array(columns)
  for (const column of all) p[column] = Math.exp(data[row * columns + column] - largest)
  const sum = p.reduce((total, value) => total + value, 0)
  return p.map((value) => value / sum)
}

/** y[r] = w[r] · s[e(r)];  w'[r] = s[e(r)] · y'[r],  s'[e] = Σ w[r] y'[r] over its rows. weights [R], scales [E] → y [R] */
export const scaleExperts: Kernel<'scaleExperts'> = {
  forward({ weights, ends, scales }, { y }) {
    eachExpert(ends, (e, begin, end) => {
      for (let r = begin; r < end; r += 1) y.data[r] = weights.data[r] * scales.data[e]
    })
  },
  vjp(saved, { y: dy }, { weights: dWeights, scales: dScales }) {
    eachExpert(saved.ends, (e, begin, end) => {
      for (let r = begin; r < end; r += 1) {
        if (dWeights) dWeights.data[r] += saved.scales.data[e] * dy.data[r]
        if (dScales) dScales.data[e] += saved.weights.data[r] * dy.data[r]
      }
    })
  },
}

/** y[r] = x[tokens[r]];  x'[m] = Σ_j y'[rows[k · m + j]]. x [M, H] → y [R, H], R = k · M */
export const dispatch: Kernel<'dispatch'> = {
  forward({ x, tokens }, { y }) {
    takeRows(x, tokens, y)
  },
  vjp({ rows }, { y: dy }, { x: dx }) {
    if (dx) addRows(dx, dy, rows)
  },
}

/** y[m] = residual[m] + Σ_j x[rows[k · m + j]];  x'[r] = y'[tokens[r]]. x [R, H], residual [M, H] → y [M, H] */
export const combine: Kernel<'combine'> = {
  forward({ x, residual, rows }, { y }) {
    y.data.set(residual.data)
    addRows(y, x, rows)
  },
  vjp({ tokens }, { y: dy }, { x: dx }) {
    if (dx) takeRows(dy, tokens, dx, true)
  },
}

/** to[r] (+)= from[index[r]] */
function takeRows(from: Matrix, { data: index }: Integers, to: Matrix, adds = false): void {
  const width = to.columns
  index.forEach((source, row) => {
    for (let i = 0; i < width; i += 1)
      to.data[row * width + i] = (adds ? to.data[row * width + i] : 0) + from.data[source * width + i]
  })
}

/** to[m] += Σ_j from[rows[k · m + j]] */
function addRows(to: Matrix, from: Matrix, { data: rows }: Integers): void {
  const width = to.columns
  const k = rows.length / to.rows
  for (let m = 0; m < to.rows; m += 1)
    for (let i = 0; i < width; i += 1) {
      let sum = 0
      for (let j = 0; j < k; j += 1) sum += from.data[rows[k * m + j] * width + i]
      to.data[m * width + i] += sum
    }
}

/**
 * y = s · f(g) · u with the row's s;  u' = y' s f(g),  g' = y' s u f'(g),  s' = Σ y' f(g) u. With a limit g is cut above, u on
 * both sides, where their gradients are 0, and u + 1 stands for u.
 * Source: Shazeer 2020, https://arxiv.org/abs/2002.05202; with a limit OpenAI 2025, https://arxiv.org/abs/2508.10925
 *
 * gateUp [R, 2·I], gate beside up, weights [R] → y [R, I]
 */
export const expertGlu: Kernel<'expertGlu'> = {
  forward({ gateUp, weights }, { y }, attributes) {
    const point = gluPoint(attributes)
    const width = y.columns
    for (let r = 0; r < y.rows; r += 1)
      for (let i = 0; i < width; i += 1) {
        const at = 2 * r * width + i
        const { f, u } = point(gateUp.data[at], gateUp.data[at + width])
        y.data[r * width + i] = weights.data[r] * f * u
      }
  },
  vjp({ gateUp, weights }, { y: dy }, { gateUp: dGateUp, weights: dWeights }, attributes) {
    const point = gluPoint(attributes)
    const width = dy.columns
    for (let r = 0; r < dy.rows; r += 1) {
      let sum = 0
      for (let i = 0; i < width; i += 1) {
        const at = 2 * r * width + i
        const { f, u, slopeOfF, slopeOfU } = point(gateUp.data[at], gateUp.data[at + width])
        const d = dy.data[r * width + i]
        sum += d * f * u
        if (dGateUp === null) continue
        dGateUp.data[at] += d * weights.data[r] * u * slopeOfF
        dGateUp.data[at + width] += d * weights.data[r] * f * slopeOfU
      }
      if (dWeights) dWeights.data[r] += sum
    }
  },
}

/** f(g) and what stands for u, with their slopes. */
function gluPoint({ activation, gain, limit }: { activation: number; gain: number; limit: number }) {
  const act = activationOf(activation)
  return (gate: number, up: number) => {
    const isCut = limit > 0
    const { value, slope } = act(gain * (isCut ? Math.min(gate, limit) : gate))
    return {
      f: value / gain,
      slopeOfF: isCut && gate > limit ? 0 : slope,
      u: isCut ? Math.max(-limit, Math.min(up, limit)) + 1 : up,
      slopeOfU: isCut && Math.abs(up) > limit ? 0 : 1,
    }
  }
}

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
