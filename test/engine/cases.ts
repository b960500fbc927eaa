import type { Attributes, InputName, OpName, OutputName } from '../../src/engine/ops.ts'
import { elementCount } from '../../src/engine/tensor.ts'
import type { Random } from './random.ts'
import { random } from './random.ts'

/** `act` is the compute type of the run: float32 or bfloat16. */
export type Role = 'act' | 'float32' | 'int32'

/** An input of a case. */
export interface Value {
  role: Role
  shape: readonly number[]
  data: Float32Array | Int32Array
}

/** One call of an op; every engine must agree on it, and its gradients must match finite differences. */
export interface Case<K extends OpName> {
  name: string
  inputs: { [N in InputName<K>]: Value | null }
  outputs: { [N in OutputName<K>]: { role: Role; shape: readonly number[] } | null }
  attributes: Attributes<K>
  /** Gradients to ask for; all that the op has without this. */
  gradients?: readonly InputName<K>[]
  /** Too large for finite differences; engines are compared on it. */
  large?: boolean
}

/** The total table: an op without a case does not compile. */
export const cases: { readonly [K in OpName]: readonly Case<K>[] } = {
  embedding: [
    embedding('few tokens, odd width', { M: 7, V: 11, H: 5 }),
    embedding('every token the same', { M: 9, V: 1, H: 3 }),
    { ...embedding('larger', { M: 131, V: 1009, H: 97 }), large: true },
  ],
  selectRows: [
    selectRows('some rows, activations', 'act', { M: 9, H: 5, rows: [0, 3, 4, 8] }),
    selectRows('one row, residual stream', 'float32', { M: 4, H: 33, rows: [2] }),
    selectRows('all rows', 'act', { M: 3, H: 17, rows: [0, 1, 2] }),
  ],
  rmsNorm: [
    rmsNorm('odd width', { M: 5, W: 7 }),
    rmsNorm('one element', { M: 3, W: 1, eps: 0.1 }),
    rmsNorm('activations', { M: 4, W: 33, role: 'act' }),
    rmsNorm('from its output', { M: 5, W: 19, fromOutput: 1 }),
    { ...rmsNorm('larger', { M: 131, W: 203 }), large: true },
    { ...rmsNorm('larger, from its output', { M: 131, W: 576, fromOutput: 1 }), large: true },
  ],
  qkNorm: [
    qkNorm('one group', { M: 4, headDim: 6, queryHeads: 1, keyHeads: 1 }),
    qkNorm('grouped heads', { M: 5, headDim: 12, queryHeads: 6, keyHeads: 2 }),
    { ...qkNorm('larger', { M: 131, headDim: 80, queryHeads: 4, keyHeads: 1 }), large: true },
  ],
  rope: [
    rope('all of each head', { M: 5, headDim: 8, rotaryDim: 8, heads: 3, columns: 32 }),
    rope('part of each head', { M: 6, headDim: 12, rotaryDim: 6, heads: 2, columns: 36 }),
    rope('rotaryDim 2', { M: 3, headDim: 5, rotaryDim: 2, heads: 4, columns: 20 }),
    { ...rope('larger', { M: 131, headDim: 64, rotaryDim: 64, heads: 12, columns: 960 }), large: true },
    {
      ...rope('larger, headDim 80', { M: 67, headDim: 80, rotaryDim: 20, heads: 5, columns: 480 }),
      large: true,
    },
  ],
  attention: [
    attention('one token', { documents: [1], headDim: 4, queryHeads: 1, keyHeads: 1 }),
    attention('one document', { documents: [7], headDim: 5, queryHeads: 2, keyHeads: 2 }),
    attention('documents, grouped heads', { documents: [3, 1, 5], headDim: 4, queryHeads: 6, keyHeads: 2 }),
    attention('window', { documents: [9], headDim: 4, queryHeads: 2, keyHeads: 1, window: 3 }),
    attention('window and documents', {
      documents: [6, 4],
      headDim: 4,
      queryHeads: 2,
      keyHeads: 1,
      window: 4,
    }),
    attention('window of one', { documents: [5], headDim: 3, queryHeads: 1, keyHeads: 1, window: 1 }),
    ...[12, 16, 64, 80].map((headDim) => ({
      ...attention(`300 tokens, headDim ${headDim}`, {
        documents: [120, 1, 33, 146],
        headDim,
        queryHeads: 6,
        keyHeads: 2,
      }),
      large: true,
    })),
    {
      ...attention('300 tokens of one document, window', {
        documents: [300],
        headDim: 64,
        queryHeads: 3,
        keyHeads: 1,
        window: 77,
      }),
      large: true,
    },
    {
      ...attention('large scores', { documents: [80], headDim: 16, queryHeads: 2, keyHeads: 1, scale: 6 }),
      large: true,
    },
    {
      ...attention('700 tokens', { documents: [650, 50], headDim: 16, queryHeads: 2, keyHeads: 1 }),
      large: true,
    },
  ],
  cachedAttention: [
    cachedAttention('first tokens', { starts: [0], counts: [5], capacity: 8, headDim: 4 }),
    cachedAttention('one token each of three slots', {
      starts: [3, 0, 6],
      counts: [1, 1, 1],
      capacity: 8,
      headDim: 12,
    }),
    cachedAttention('prompt and continuation, window', {
      starts: [0, 5],
      counts: [6, 2],
      capacity: 9,
      headDim: 5,
      window: 4,
    }),
    cachedAttention('64 channels', { starts: [100, 0], counts: [3, 77], capacity: 128, headDim: 64 }),
    cachedAttention('80 channels, one token', { starts: [255], counts: [1], capacity: 256, headDim: 80 }),
  ],
  linear: [
    linear('plain', { M: 5, K: 7, N: 9 }),
    linear('one row', { M: 1, K: 6, N: 3 }),
    linear('one output', { M: 4, K: 5, N: 1 }),
    linear('bias', { M: 5, K: 3, N: 6, bias: true }),
    linear('residual', { M: 4, K: 5, N: 6, residual: true }),
    linear('float32 output', { M: 4, K: 5, N: 6, float32Output: 1 }),
    linear('LoRA', { M: 5, K: 7, N: 6, segments: [[6, 2, 0.5]] }),
    linear('LoRA of different ranks, one of them 0', {
      M: 6,
      K: 5,
      N: 11,
      segments: [
        [4, 3, 2],
        [2, 0, 1],
        [5, 1, 0.25],
      ],
    }),
    linear('LoRA with dropout, bias and residual', {
      M: 7,
      K: 6,
      N: 8,
      bias: true,
      residual: true,
      dropout: 0.3,
      segments: [
        [3, 2, 1.5],
        [5, 4, 0.5],
      ],
    }),
    linear('LoRA of rank 0 everywhere', {
      M: 3,
      K: 4,
      N: 5,
      segments: [
        [2, 0, 1],
        [3, 0, 1],
      ],
    }),
    linear('frozen weight', { M: 4, K: 6, N: 5, segments: [[5, 2, 1]] }, ['x', 'loraA', 'loraB']),
    { ...linear('odd sizes', { M: 131, K: 97, N: 203, bias: true, residual: true }), large: true },
    { ...linear('three rows', { M: 3, K: 257, N: 129 }), large: true },
    {
      ...linear('odd sizes, LoRA, dropout', {
        M: 131,
        K: 97,
        N: 203,
        residual: true,
        dropout: 0.1,
        segments: [
          [100, 8, 2],
          [50, 0, 1],
          [53, 5, 0.5],
        ],
      }),
      large: true,
    },
    {
      ...linear('q, k and v of a small model', {
        M: 260,
        K: 576,
        N: 960,
        segments: [
          [576, 16, 2],
          [192, 16, 2],
          [192, 16, 2],
        ],
      }),
      large: true,
    },
  ],
  swiglu: [
    swiglu('odd width', { M: 3, I: 5 }),
    swiglu('one row', { M: 1, I: 33 }),
    swiglu('large values', { M: 4, I: 7, scale: 20 }),
    { ...swiglu('larger', { M: 131, I: 203 }), large: true },
  ],
  headLoss: [
    headLoss('few rows', { m: 3, H: 5, V: 7 }),
    headLoss('more rows than a block', { m: 19, H: 4, V: 6 }),
    headLoss('one row', { m: 1, H: 9, V: 2 }),
    { ...headLoss('vocabulary of 1,009', { m: 131, H: 97, V: 1009 }), large: true },
    { ...headLoss('confident', { m: 37, H: 64, V: 1536, scale: 8 }), large: true },
  ],
  argmax: [
    argmax('random', { M: 5, V: 1003 }),
    argmax('one column', { M: 3, V: 1 }),
    argmax('equal values', { M: 4, V: 67, levels: 3 }),
    argmax('all negative', { M: 2, V: 19, shift: -100 }),
  ],
  fill: [
    { name: 'float32', inputs: {}, outputs: { y: float([3, 7]) }, attributes: { value: -1.5 } },
    { name: 'act', inputs: {}, outputs: { y: act([5, 33]) }, attributes: { value: 0 } },
  ],
  gradNorm: [
    gradNorm('clipped', { count: 1001, maxNorm: 1 }),
    gradNorm('below the maximum', { count: 13, maxNorm: 100 }),
    gradNorm('no maximum', { count: 70_003, maxNorm: 0 }),
  ],
  adamw: [
    adamw('first step', { count: 17, step: 1, decay: 0 }),
    adamw('later, decay and clipping', { count: 10_007, step: 100, decay: 0.1, clip: 0.25 }),
  ],
}

function float(shape: readonly number[]) {
  return { role: 'float32' as const, shape }
}

function act(shape: readonly number[]) {
  return { role: 'act' as const, shape }
}

function normal(r: Random, role: Role, shape: readonly number[], scale = 1): Value {
  return { role, shape, data: r.normal(elementCount(shape), scale) }
}

function integers(data: readonly number[] | Int32Array): Value {
  return { role: 'int32', shape: [data.length], data: Int32Array.from(data) }
}

/** Gains around one, as trained models have them, none of them near zero. */
function gains(r: Random, width: number): Value {
  return { role: 'float32', shape: [width], data: r.normal(width, 0.2).map((g) => Math.max(0.3, 1 + g)) }
}

/** 0, 1, 2, … */
function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

function embedding(name: string, { M, V, H }: { M: number; V: number; H: number }): Case<'embedding'> {
  const r = random(M + V + H)
  return {
    name,
    inputs: { ids: integers(r.integers(M, V)), table: normal(r, 'act', [V, H]) },
    outputs: { y: float([M, H]) },
    attributes: {},
  }
}

function selectRows(
  name: string,
  role: Role,
  { M, H, rows }: { M: number; H: number; rows: number[] },
): Case<'selectRows'> {
  return {
    name,
    inputs: { x: normal(random(M + H), role, [M, H]), rows: integers(rows) },
    outputs: { y: { role, shape: [rows.length, H] } },
    attributes: {},
  }
}

function rmsNorm(
  name: string,
  options: { M: number; W: number; role?: Role; fromOutput?: 0 | 1; eps?: number },
): Case<'rmsNorm'> {
  const { M, W, role = 'float32', fromOutput = 0, eps = 1e-5 } = options
  const r = random(M + W)
  return {
    name,
    inputs: { x: normal(r, role, [M, W], 1.5), gain: gains(r, W) },
    outputs: { y: act([M, W]), rstd: float([M]) },
    attributes: { eps, fromOutput },
    ...(fromOutput === 1 ? { gradients: ['x'] } : {}),
  }
}

function qkNorm(
  name: string,
  { M, ...heads }: { M: number; headDim: number; queryHeads: number; keyHeads: number },
): Case<'qkNorm'> {
  const { headDim, queryHeads, keyHeads } = heads
  const columns = (queryHeads + 2 * keyHeads) * headDim
  const r = random(M + columns)
  return {
    name,
    inputs: {
      qkv: normal(r, 'act', [M, columns]),
      qGain: gains(r, headDim),
      kGain: gains(r, headDim),
    },
    outputs: { y: act([M, columns]), rstd: float([M, queryHeads + keyHeads]) },
    attributes: { eps: 1e-6, ...heads },
  }
}

function rope(
  name: string,
  options: { M: number; headDim: number; rotaryDim: number; heads: number; columns: number },
): Case<'rope'> {
  const { M, headDim, rotaryDim, heads, columns } = options
  const r = random(M + columns)
  const longest = M + 3
  const half = rotaryDim / 2
  const angles = range(longest).flatMap((p) => range(half).map((i) => p * 10_000 ** (-i / half)))
  return {
    name,
    inputs: {
      qkv: normal(r, 'act', [M, columns]),
      positions: integers(r.integers(M, longest)),
      cos: { role: 'float32', shape: [longest, half], data: Float32Array.from(angles, Math.cos) },
      sin: { role: 'float32', shape: [longest, half], data: Float32Array.from(angles, Math.sin) },
    },
    outputs: { y: act([M, columns]) },
    attributes: { headDim, rotaryDim, heads },
  }
}

interface AttentionOptions {
  documents: readonly number[]
  headDim: number
  queryHeads: number
  keyHeads: number
  window?: number
  scale?: number
}

function attention(name: string, options: AttentionOptions): Case<'attention'> {
  const { documents, headDim, queryHeads, keyHeads, window = 0, scale = headDim ** -0.5 } = options
  const starts: number[] = []
  for (const length of documents) starts.push(...Array<number>(length).fill(starts.length))
  const M = starts.length
  const columns = (queryHeads + 2 * keyHeads) * headDim
  return {
    name,
    inputs: { qkv: normal(random(M + columns), 'act', [M, columns]), starts: integers(starts) },
    outputs: { o: act([M, queryHeads * headDim]), lse: float([M, queryHeads]) },
    attributes: { headDim, queryHeads, keyHeads, scale, window },
  }
}

function cachedAttention(
  name: string,
  options: { starts: number[]; counts: number[]; capacity: number; headDim: number; window?: number },
): Case<'cachedAttention'> {
  const { starts, counts, capacity, headDim, window = 0 } = options
  const [queryHeads, keyHeads] = [6, 2]
  const S = starts.length
  const slots = counts.flatMap((count, slot) => Array<number>(count).fill(slot))
  const positions = counts.flatMap((count, slot) => range(count).map((i) => starts[slot] + i))
  const M = slots.length
  const columns = (queryHeads + 2 * keyHeads) * headDim
  const r = random(M + columns)
  return {
    name,
    inputs: {
      qkv: normal(r, 'act', [M, columns]),
      slots: integers(slots),
      positions: integers(positions),
      keyCache: normal(r, 'act', [S, capacity, keyHeads * headDim]),
      valueCache: normal(r, 'act', [S, capacity, keyHeads * headDim]),
    },
    outputs: { o: act([M, queryHeads * headDim]) },
    attributes: { headDim, queryHeads, keyHeads, scale: headDim ** -0.5, window },
  }
}

interface LinearOptions {
  M: number
  K: number
  N: number
  bias?: boolean
  residual?: boolean
  float32Output?: 0 | 1
  dropout?: number
  /** [rows, rank, scaling] each; none: no LoRA. */
  segments?: [number, number, number][]
}

function linear(name: string, options: LinearOptions, gradients?: InputName<'linear'>[]): Case<'linear'> {
  const { M, K, N, bias, residual, float32Output = 0, dropout = 0, segments } = options
  const r = random(M + K + N)
  const ranks = segments?.map(([, rank]) => rank) ?? []
  const rankSum = ranks.reduce((sum, rank) => sum + rank, 0)
  const lora = rankSum > 0
  return {
    name,
    inputs: {
      x: normal(r, 'act', [M, K]),
      weight: normal(r, 'act', [N, K], K ** -0.5),
      bias: bias ? normal(r, 'float32', [N]) : null,
      residual: residual ? normal(r, 'float32', [M, N]) : null,
      loraA: lora ? normal(r, 'float32', [rankSum, K], K ** -0.5) : null,
      loraB: lora ? normal(r, 'float32', [N, Math.max(...ranks)], 0.5) : null,
    },
    outputs: {
      y: residual || float32Output === 1 ? float([M, N]) : act([M, N]),
      t: lora ? act([M, rankSum]) : null,
    },
    attributes: { float32Output, dropout, seed: 1234, segments: (segments ?? [[N, 0, 1]]).flat() },
    ...(gradients ? { gradients } : {}),
  }
}

function swiglu(name: string, { M, I, scale = 1 }: { M: number; I: number; scale?: number }): Case<'swiglu'> {
  return {
    name,
    inputs: { gateUp: normal(random(M + I), 'act', [M, 2 * I], scale) },
    outputs: { y: act([M, I]) },
    attributes: {},
  }
}

function headLoss(
  name: string,
  { m, H, V, scale = 1 }: { m: number; H: number; V: number; scale?: number },
): Case<'headLoss'> {
  const r = random(m + H + V)
  return {
    name,
    inputs: {
      hidden: normal(r, 'act', [m, H]),
      weight: normal(r, 'act', [V, H], scale * H ** -0.5),
      targets: integers(r.integers(m, V)),
      lossScale: { role: 'float32', shape: [1], data: Float32Array.of(0.25) },
    },
    outputs: { losses: float([m]), lse: float([m]), dHidden: act([m, H]) },
    attributes: {},
  }
}

function argmax(
  name: string,
  { M, V, levels, shift = 0 }: { M: number; V: number; levels?: number; shift?: number },
): Case<'argmax'> {
  const r = random(M + V)
  const data = levels ? Float32Array.from(r.integers(M * V, levels)) : r.normal(M * V).map((x) => x + shift)
  return {
    name,
    inputs: { x: { role: 'float32', shape: [M, V], data } },
    outputs: { y: { role: 'int32', shape: [M] } },
    attributes: {},
  }
}

function gradNorm(name: string, { count, maxNorm }: { count: number; maxNorm: number }): Case<'gradNorm'> {
  return {
    name,
    inputs: { gradients: normal(random(count), 'float32', [count]) },
    outputs: { stats: float([2]) },
    attributes: { maxNorm },
  }
}

function adamw(
  name: string,
  { count, step, decay, clip = 1 }: { count: number; step: number; decay: number; clip?: number },
): Case<'adamw'> {
  const r = random(count + step)
  const value = (scale: number) => normal(r, 'float32', [count], scale)
  const v = value(1)
  return {
    name,
    inputs: {
      parameters: value(1),
      gradients: value(0.1),
      m: value(0.1),
      v: { ...v, data: Float32Array.from(v.data, (x) => x * x * 1e-2) },
      stats: { role: 'float32', shape: [2], data: Float32Array.of(3, clip) },
      hyper: {
        role: 'float32',
        shape: [7],
        data: Float32Array.of(1e-2, 0.9, 0.999, 1e-8, decay, 1 - 0.9 ** step, 1 - 0.999 ** step),
      },
    },
    outputs: {},
    attributes: {},
  }
}
