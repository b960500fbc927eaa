import type { WeightForm } from '../../src/engine/quantization.ts'
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
  /** Of a frozen weight: how the engine holds it. */
  form?: WeightForm
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

export function float(shape: readonly number[]) {
  return { role: 'float32' as const, shape }
}

export function act(shape: readonly number[]) {
  return { role: 'act' as const, shape }
}

function normal(r: Random, role: Role, shape: readonly number[], scale = 1): Value {
  return { role, shape, data: r.normal(elementCount(shape), scale) }
}

function constant(value: number, shape: readonly number[]): Value {
  return { role: 'float32', shape, data: new Float32Array(elementCount(shape)).fill(value) }
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

export function embedding(
  name: string,
  { M, V, H, tableRole = 'act' }: { M: number; V: number; H: number; tableRole?: Role },
): Case<'embedding'> {
  const r = random(M + V + H)
  return {
    name,
    inputs: { ids: integers(r.integers(M, V)), table: normal(r, tableRole, [V, H]) },
    outputs: { y: float([M, H]) },
    attributes: {},
  }
}

export function selectRows(
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

export function rmsNorm(
  name: string,
  options: { M: number; W: number; role?: Role; gainRole?: Role; fromOutput?: 0 | 1; eps?: number },
): Case<'rmsNorm'> {
  const { M, W, role = 'float32', gainRole = 'float32', fromOutput = 0, eps = 1e-5 } = options
  const r = random(M + W)
  return {
    name,
    inputs: { x: normal(r, role, [M, W], 1.5), gain: { ...gains(r, W), role: gainRole } },
    outputs: { y: act([M, W]), rstd: float([M]) },
    attributes: { eps, fromOutput },
    ...(fromOutput === 1 ? { gradients: ['x'] } : {}),
  }
}

export function qkNorm(
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

export function rope(
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

export function attention(name: string, options: AttentionOptions): Case<'attention'> {
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

export function cachedAttention(
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

export function copySlots(
  name: string,
  options: { copies: [number, number, number][]; slots: number; capacity: number; width: number },
): Case<'copySlots'> {
  const { copies, slots, capacity, width } = options
  const r = random(capacity + width)
  return {
    name,
    inputs: {
      sources: integers(copies.map(([source]) => source)),
      slots: integers(copies.map(([, slot]) => slot)),
      counts: integers(copies.map(([, , count]) => count)),
      keyCache: normal(r, 'act', [slots, capacity, width]),
      valueCache: normal(r, 'act', [slots, capacity, width]),
    },
    outputs: {},
    attributes: {},
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
  weightRole?: Role
  /** [rows, rank, scaling] each; none: no LoRA. */
  segments?: readonly (readonly [number, number, number])[]
  form?: WeightForm
  int8Activations?: 0 | 1
}

export function linear(
  name: string,
  options: LinearOptions,
  gradients?: InputName<'linear'>[],
): Case<'linear'> {
  const { M, K, N, bias, residual, float32Output = 0, dropout = 0, weightRole = 'act', segments } = options
  const { form, int8Activations = 0 } = options
  const r = random(M + K + N)
  const ranks = segments?.map(([, rank]) => rank) ?? []
  const rankSum = ranks.reduce((sum, rank) => sum + rank, 0)
  const lora = rankSum > 0
  return {
    name,
    inputs: {
      x: normal(r, 'act', [M, K]),
      weight: { ...normal(r, weightRole, [N, K], K ** -0.5), ...(form && { form }) },
      bias: bias ? normal(r, 'float32', [N]) : null,
      residual: residual ? normal(r, 'float32', [M, N]) : null,
      loraA: lora ? normal(r, 'float32', [rankSum, K], K ** -0.5) : null,
      loraB: lora ? normal(r, 'float32', [N, Math.max(...ranks)], 0.5) : null,
      dropoutSeed: dropout > 0 ? { role: 'int32', shape: [1], data: Int32Array.of(4321) } : null,
    },
    outputs: {
      y: residual || float32Output === 1 ? float([M, N]) : act([M, N]),
      t: lora ? act([M, rankSum]) : null,
    },
    attributes: {
      float32Output,
      dropout,
      seed: 1234,
      int8Activations,
      segments: (segments ?? [[N, 0, 1]]).flat(),
    },
    ...(gradients ? { gradients } : {}),
    ...(form ? { gradients: ['x', 'loraA', 'loraB'] } : {}),
    // Finite differences see the steps of rounding, which the gradient leaves out.
    ...(int8Activations === 1 ? { large: true } : {}),
  }
}

export function swiglu(
  name: string,
  { M, I, scale = 1 }: { M: number; I: number; scale?: number },
): Case<'swiglu'> {
  return {
    name,
    inputs: { gateUp: normal(random(M + I), 'act', [M, 2 * I], scale) },
    outputs: { y: act([M, I]) },
    attributes: {},
  }
}

export function targetLogProbs(
  name: string,
  options: {
    m: number
    H: number
    V: number
    scale?: number
    weightRole?: Role
    evaluation?: boolean
    padding?: number
    uniform?: boolean
  },
): Case<'targetLogProbs'> {
  const { m, H, V, scale = 1, weightRole = 'act', evaluation = false, padding = 0, uniform = false } = options
  const r = random(m + H + V)
  return {
    name,
    inputs: {
      hidden: normal(r, 'act', [m, H]),
      weight: normal(r, weightRole, [V, H], scale * H ** -0.5),
      targets: integers(r.integers(m, V).map((target, i) => (i < m - padding ? target : -1))),
      weights: evaluation ? null : uniform ? constant(0.25, [m]) : normal(r, 'float32', [m]),
    },
    outputs: { logProbs: float([m]), lse: float([m]), dHidden: evaluation ? null : act([m, H]) },
    attributes: {},
    ...(evaluation ? { gradients: [] } : {}),
  }
}

export function scaleRows(name: string, { M, W }: { M: number; W: number }): Case<'scaleRows'> {
  const r = random(M + W)
  return {
    name,
    inputs: { x: normal(r, 'act', [M, W]), weights: normal(r, 'float32', [M]) },
    outputs: { y: act([M, W]) },
    attributes: {},
  }
}

export function argmax(
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

export function gradNorm(
  name: string,
  { count, maxNorm }: { count: number; maxNorm: number },
): Case<'gradNorm'> {
  return {
    name,
    inputs: { gradients: normal(random(count), 'float32', [count]) },
    outputs: { stats: float([2]) },
    attributes: { maxNorm },
  }
}

export function adamw(
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
