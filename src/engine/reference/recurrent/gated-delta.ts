import type { Attributes } from '../../ops.ts'
import type { Kernel, Matrix } from '../kernel.ts'

/**
 * The gated delta rule, token by token: each value head has a memory S [keyDim, valueDim], zero before the first token of a
 * document, with decay d and rate β:
 * w = S_(t−1)^T k,  u = β r,  r = v − d w,  S_t = d S_(t−1) + k u^T,  o = S_t^T q.
 * Backwards, S' being the gradient of S_t: S' += q o'^T,  q' = S_t o',  u' = S'^T k,  k' = S' u + S_(t−1) w',
 * β' = u' · r,  v' = r' = β u',  w' = −d r',  d' = ⟨S', S_(t−1)⟩ − r' · w,  S'_(t−1) = d S' + k w'^T.
 * Sources: Yang et al. 2024, https://arxiv.org/abs/2412.06464; transformers 5.24, torch_recurrent_gated_delta_rule
 *
 * qkv [M, 2 · keyHeads · keyDim + valueHeads · valueDim], ba [M, 2 · valueHeads], aLog and dtBias [valueHeads], starts [M]
 * → o [M, valueHeads · valueDim]
 */
export const gatedDelta: Kernel<'gatedDelta'> = {
  forward(inputs, { o }, shape) {
    const { starts } = inputs
    const { keyDim, valueHeads, valueDim } = shape
    const memory = new Float64Array(keyDim * valueDim)
    for (let head = 0; head < valueHeads; head += 1)
      for (let m = 0; m < o.rows; m += 1) {
        if (starts.data[m] === m) memory.fill(0)
        step(tokenOf(inputs, shape, head, m), memory, o.data, (m * valueHeads + head) * valueDim)
      }
  },
  vjp(inputs, { o: dO }, wanted, shape) {
    const { starts } = inputs
    const { valueHeads, valueDim, keyDim } = shape
    const unread = new Float64Array(valueDim)
    for (let head = 0; head < valueHeads; head += 1)
      for (let end = dO.rows; end > 0;) {
        const start = starts.data[end - 1]
        // The memory before each token of the document, and after the last.
        const memories = [new Float64Array(keyDim * valueDim)]
        for (let m = start; m < end; m += 1) {
          const memory = memories[m - start].slice()
          step(tokenOf(inputs, shape, head, m), memory, unread, 0)
          memories.push(memory)
        }
        const dMemory = new Float64Array(keyDim * valueDim)
        for (let m = end - 1; m >= start; m -= 1) {
          const token = tokenOf(inputs, shape, head, m)
          const output = (m * valueHeads + head) * valueDim
          const d = stepVjp(
            token,
            memories[m - start],
            memories[m - start + 1],
            dO.data.subarray(output, output + valueDim),
            dMemory,
          )
          addGradients(inputs, wanted, shape, head, m, token, d)
        }
        end = start
      }
  },
}

/**
 * The same over tokens of slots: token m reads state[slots[m], positions[m] mod R], or zeros at position 0, and writes
 * state[slots[m], (positions[m] + 1) mod R].
 *
 * state [S, R, valueHeads · keyDim · valueDim]
 */
export const cachedGatedDelta: Kernel<'cachedGatedDelta'> = {
  forward(inputs, { o }, shape) {
    const { slots, positions, state } = inputs
    const { keyDim, valueHeads, valueDim } = shape
    const [, ring, width] = state.shape
    const size = keyDim * valueDim
    for (let m = 0; m < o.rows; m += 1) {
      const position = positions.data[m] >>> 0
      const place = (at: number) => (slots.data[m] * ring + (at % ring)) * width
      for (let head = 0; head < valueHeads; head += 1) {
        const from = place(position) + head * size
        const memory =
          position === 0 ? new Float64Array(size) : Float64Array.from(state.data.subarray(from, from + size))
        step(tokenOf(inputs, shape, head, m), memory, o.data, (m * valueHeads + head) * valueDim)
        state.data.set(memory, place(position + 1) + head * size)
      }
    }
  },
  vjp: null,
}

/** What one head reads of a token. */
interface Token {
  q: Float64Array
  k: Float64Array
  v: Float32Array
  beta: number
  /** Of what the memory holds, in (0, 1]. */
  decay: number
  /** By which q and k were multiplied. */
  scales: { q: number; k: number }
}

interface Inputs {
  qkv: Matrix
  ba: Matrix
  aLog: Matrix
  dtBias: Matrix
}

type Shape = Attributes<'gatedDelta'>

/** Where q, k and v of a value head begin in a row of qkv. */
function columnsOf({ keyHeads, keyDim, valueHeads, valueDim }: Shape, head: number) {
  const q = Math.floor(head / (valueHeads / keyHeads)) * keyDim
  return { q, k: keyHeads * keyDim + q, v: 2 * keyHeads * keyDim + head * valueDim }
}

function tokenOf({ qkv, ba, aLog, dtBias }: Inputs, shape: Shape, head: number, m: number): Token {
  const { keyDim, valueDim, valueHeads } = shape
  const columns = columnsOf(shape, head)
  const row = qkv.data.subarray(m * qkv.columns, (m + 1) * qkv.columns)
  const normalised = (at: number, factor: number) => {
    const x = row.subarray(at, at + keyDim)
    const scale = factor / Math.sqrt(x.reduce((sum, value) => sum + value * value, 1e-6))
    return { x: Float64Array.from(x, (value) => value * scale), scale }
  }
  const [q, k] = [normalised(columns.q, keyDim ** -0.5), normalised(columns.k, 1)]
  const [b, a] = [ba.data[m * ba.columns + head], ba.data[m * ba.columns + valueHeads + head]]
  return {
    q: q.x,
    k: k.x,
    v: row.subarray(columns.v, columns.v + valueDim),
    beta: 1 / (1 + Math.exp(-b)),
    decay: Math.exp(-Math.exp(aLog.data[head]) * softplus(a + dtBias.data[head])),
    scales: { q: q.scale, k: k.scale },
  }
}

/** log(1 + e^x), as PyTorch: x where it is above 20. */
function softplus(x: number): number {
  return x > 20 ? x : Math.log1p(Math.exp(x))
}

/** Σ_i memory[i, j] · x[i] */
function read(memory: Float64Array, x: Float64Array, columns: number): Float64Array {
  const sum = new Float64Array(columns)
  x.forEach((value, i) => {
    for (let j = 0; j < columns; j += 1) sum[j] += memory[i * columns + j] * value
  })
  return sum
}

/** Σ_j memory[i, j] · x[j] */
function readBack(memory: Float64Array, x: ArrayLike<number>, rows: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => {
    let sum = 0
    for (let j = 0; j < x.length; j += 1) sum += memory[i * x.length + j] * x[j]
    return sum
  })
}

/** Changes the memory by one token, and writes what is read of it to o[at …]. */
function step(
  { q, k, v, beta, decay }: Token,
  memory: Float64Array,
  o: Float32Array | Float64Array,
  at: number,
) {
  const w = read(memory, k, v.length)
  const u = v.map((value, j) => beta * (value - decay * w[j]))
  k.forEach((key, i) => {
    for (let j = 0; j < u.length; j += 1)
      memory[i * u.length + j] = decay * memory[i * u.length + j] + key * u[j]
  })
  o.set(read(memory, q, v.length), at)
}

interface TokenGradient {
  q: Float64Array
  k: Float64Array
  v: Float64Array
  beta: number
  decay: number
}

/** Takes `dMemory` from after the token to before it. */
function stepVjp(
  { q, k, v, beta, decay }: Token,
  before: Float64Array,
  after: Float64Array,
  dO: Float32Array,
  dMemory: Float64Array,
): TokenGradient {
  const [rows, columns] = [k.length, v.length]
  const dq = readBack(after, dO, rows)
  for (let i = 0; i < rows; i += 1)
    for (let j = 0; j < columns; j += 1) dMemory[i * columns + j] += q[i] * dO[j]
  const w = read(before, k, columns)
  const r = Float64Array.from(v, (value, j) => value - decay * w[j])
  const du = read(dMemory, k, columns)
  const dr = du.map((value) => beta * value)
  const dw = dr.map((value) => -decay * value)
  const stays = readBack(before, dw, rows)
  const dk = readBack(
    dMemory,
    r.map((value) => beta * value),
    rows,
  ).map((value, i) => value + stays[i])
  let dDecay = 0
  for (let j = 0; j < columns; j += 1) dDecay -= dr[j] * w[j]
  for (let i = 0; i < rows; i += 1)
    for (let j = 0; j < columns; j += 1) {
      dDecay += dMemory[i * columns + j] * before[i * columns + j]
      dMemory[i * columns + j] = decay * dMemory[i * columns + j] + k[i] * dw[j]
    }
  return { q: dq, k: dk, v: dr, beta: du.reduce((sum, value, j) => sum + value * r[j], 0), decay: dDecay }
}

/** Through norms and gates: with x̂ = x · s, s = c / sqrt(Σ x² + 1e-6): x' = s · x̂' − x̂ · (x̂ · x̂') · s / c². */
function addGradients(
  { ba, aLog, dtBias }: Inputs,
  wanted: { [N in 'qkv' | 'ba' | 'aLog' | 'dtBias']: Matrix | null },
  shape: Shape,
  head: number,
  m: number,
  { q, k, beta, decay, scales }: Token,
  d: TokenGradient,
): void {
  const { keyDim, valueHeads } = shape
  if (wanted.qkv) {
    const { data, columns } = wanted.qkv
    const at = columnsOf(shape, head)
    const addNormalised = (
      begin: number,
      x: Float64Array,
      dx: Float64Array,
      scale: number,
      square: number,
    ) => {
      const projection = x.reduce((sum, value, i) => sum + value * dx[i], 0) / square
      x.forEach((value, i) => (data[m * columns + begin + i] += scale * (dx[i] - value * projection)))
    }
    addNormalised(at.q, q, d.q, scales.q, 1 / keyDim)
    addNormalised(at.k, k, d.k, scales.k, 1)
    d.v.forEach((value, i) => (data[m * columns + at.v + i] += value))
  }
  const x = ba.data[m * ba.columns + valueHeads + head] + dtBias.data[head]
  const rate = -Math.exp(aLog.data[head])
  const dLogDecay = d.decay * decay
  const da = (dLogDecay * rate) / (1 + Math.exp(-x))
  if (wanted.ba) {
    wanted.ba.data[m * ba.columns + head] += d.beta * beta * (1 - beta)
    wanted.ba.data[m * ba.columns + valueHeads + head] += da
  }
  if (wanted.dtBias) wanted.dtBias.data[head] += da
  if (wanted.aLog) wanted.aLog.data[head] += dLogDecay * rate * softplus(x)
}
