import type { Attributes, GradientName } from '../../src/engine/ops.ts'
import type { WeightForm } from '../../src/engine/quantization.ts'
import type { Case, Role } from './make-case.ts'
import { casesOf, exactly, gains, makeCase, normal, range } from './make-case.ts'

// Cases of ops whose sizes follow from each other, or whose integers mean something.

export function selectRows(name: string, role: Role, sizes: { M: number; H: number }, rows: number[]) {
  return makeCase('selectRows', name, {
    sizes: { ...sizes, m: rows.length },
    attributes: {},
    roles: { x: role, y: role },
    data: { rows: exactly(rows) },
  })
}

export function qkNorm(
  name: string,
  { M, headDim, queryHeads, keyHeads, together = false, values = 'copied' }: QkNormOptions,
  large = false,
): Case<'qkNorm'> {
  const [queries, keys] = [queryHeads * headDim, keyHeads * headDim]
  const parts = together
    ? { queryParts: 1, queryWidth: queries, keyParts: 1, keyWidth: keys }
    : { queryParts: queryHeads, queryWidth: headDim, keyParts: keyHeads, keyWidth: headDim }
  return makeCase('qkNorm', name, {
    sizes: { M },
    attributes: {
      eps: 1e-6,
      ...parts,
      valueWidth: keys,
      valueParts: values === 'normalised' || values === 'normalised keys' ? keyHeads : 0,
      givenWidth: values === 'keys' || values === 'normalised keys' ? 0 : keys,
    },
    ...(keyHeads === 0 && { absent: ['kGain'] as const }),
    roles: { qGain: 'float32', kGain: 'float32' },
    data: { qGain: gains, kGain: gains },
    large,
  })
}

interface QkNormOptions {
  M: number
  headDim: number
  queryHeads: number
  keyHeads: number
  together?: boolean
  values?: 'copied' | 'normalised' | 'keys' | 'normalised keys'
}

/** With the tables of rotary embedding. */
export function rope(
  name: string,
  options: {
    M: number
    headDim: number
    rotaryDim: number
    firstHead?: number
    heads: number
    columns: number
  },
  large = false,
): Case<'rope'> {
  const { M, headDim, rotaryDim, firstHead = 0, heads, columns } = options
  const half = rotaryDim / 2
  const angles = range(M + 3).flatMap((p) => range(half).map((i) => p * 10_000 ** (-i / half)))
  return makeCase('rope', name, {
    sizes: { M, C: columns, P: M + 3 },
    attributes: { headDim, rotaryDim, firstHead, heads },
    data: {
      cos: exactly(Float32Array.from(angles, Math.cos)),
      sin: exactly(Float32Array.from(angles, Math.sin)),
    },
    large,
  })
}

interface AttentionOptions {
  documents: readonly number[]
  headDim: number
  queryHeads: number
  keyHeads: number
  window?: number
  scale?: number
  cap?: number
  sinks?: boolean
}

export function attention(name: string, options: AttentionOptions): Case<'attention'> {
  const {
    documents,
    headDim,
    queryHeads,
    keyHeads,
    window = 0,
    scale = headDim ** -0.5,
    cap = 0,
    sinks,
  } = options
  const starts: number[] = []
  for (const length of documents) starts.push(...Array<number>(length).fill(starts.length))
  return makeCase('attention', name, {
    sizes: { M: starts.length },
    attributes: { headDim, queryHeads, keyHeads, scale, cap, window },
    ...(!sinks && { absent: ['sinks'] as const }),
    data: { starts: exactly(starts) },
    seed: starts.length + (queryHeads + 2 * keyHeads) * headDim,
  })
}

export function cachedAttention(
  name: string,
  options: {
    starts: number[]
    counts: number[]
    capacity: number
    headDim: number
    window?: number
    cap?: number
    sinks?: boolean
  },
): Case<'cachedAttention'> {
  const { starts, counts, capacity, headDim, window = 0, cap = 0, sinks } = options
  const slots = counts.flatMap((count, slot) => Array<number>(count).fill(slot))
  const positions = counts.flatMap((count, slot) => range(count).map((i) => starts[slot] + i))
  return makeCase('cachedAttention', name, {
    sizes: { M: slots.length, S: starts.length, C: capacity },
    attributes: { headDim, queryHeads: 6, keyHeads: 2, scale: headDim ** -0.5, cap, window },
    ...(!sinks && { absent: ['sinks'] as const }),
    data: { slots: exactly(slots), positions: exactly(positions) },
  })
}

/** Documents of so many tokens; W is as wide as one of the parts. */
export function causalConv(
  name: string,
  options: { documents: number[]; W: number; K: number; parts?: 1 | 3; silu?: 0 | 1; bias?: boolean },
): Case<'causalConv'> {
  const { documents, W, K, parts = 1, silu = 0, bias } = options
  const starts: number[] = []
  for (const length of documents) starts.push(...Array<number>(length).fill(starts.length))
  return makeCase('causalConv', name, {
    sizes: { M: starts.length, W, K },
    attributes: { parts, silu },
    ...(!bias && { absent: ['bias'] as const }),
    roles: { weight: 'float32' },
    data: { starts: exactly(starts) },
  })
}

/** Slot i goes on from position starts[i] by counts[i] tokens. */
export function cachedCausalConv(
  name: string,
  options: { starts: number[]; counts: number[]; W: number; K: number; R: number; parts?: 1 | 3 },
): Case<'cachedCausalConv'> {
  const { starts, counts, W, K, R, parts = 1 } = options
  const slots = counts.flatMap((count, slot) => Array<number>(count).fill(slot))
  const positions = counts.flatMap((count, slot) => range(count).map((i) => starts[slot] + i))
  return makeCase('cachedCausalConv', name, {
    sizes: { M: slots.length, S: starts.length, W, K, R },
    attributes: { parts, silu: parts === 1 ? 1 : 0 },
    data: { slots: exactly(slots), positions: exactly(positions) },
  })
}

interface DeltaHeads {
  keyHeads: number
  keyDim: number
  valueHeads: number
  valueDim: number
}

/** Rates around −1 a token, as trained models have them, and slower. */
const deltaData = { aLog: normal(1), dtBias: normal(1), qkv: normal(1), ba: normal(1) } as const

export function gatedDelta(
  name: string,
  documents: number[],
  heads: DeltaHeads,
  large = false,
): Case<'gatedDelta'> {
  const starts: number[] = []
  for (const length of documents) starts.push(...Array<number>(length).fill(starts.length))
  return makeCase('gatedDelta', name, {
    sizes: { M: starts.length },
    attributes: { ...heads },
    data: { ...deltaData, starts: exactly(starts) },
    seed: starts.length,
    large,
  })
}

/** Slot i goes on from position starts[i] by counts[i] tokens. */
export function cachedGatedDelta(
  name: string,
  options: { starts: number[]; counts: number[]; R: number } & DeltaHeads,
): Case<'cachedGatedDelta'> {
  const { starts, counts, R, ...heads } = options
  const slots = counts.flatMap((count, slot) => Array<number>(count).fill(slot))
  const positions = counts.flatMap((count, slot) => range(count).map((i) => starts[slot] + i))
  return makeCase('cachedGatedDelta', name, {
    sizes: { M: slots.length, S: starts.length, R },
    attributes: { ...heads },
    data: { ...deltaData, slots: exactly(slots), positions: exactly(positions) },
    seed: slots.length,
  })
}

export function copySlots(
  name: string,
  options: { copies: [number, number, number][]; slots: number; capacity: number; width: number },
): Case<'copySlots'> {
  const { copies, slots, capacity, width } = options
  return makeCase('copySlots', name, {
    sizes: { n: copies.length, S: slots, C: capacity, W: width },
    attributes: {},
    data: {
      sources: exactly(copies.map(([source]) => source)),
      slots: exactly(copies.map(([, slot]) => slot)),
      counts: exactly(copies.map(([, , count]) => count)),
    },
  })
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
  gradients?: GradientName<'linear'>[],
): Case<'linear'> {
  const { M, K, N, bias, residual, float32Output = 0, dropout = 0, weightRole = 'act', segments } = options
  const { form, int8Activations = 0 } = options
  const ranks = segments?.map(([, rank]) => rank) ?? []
  const R = ranks.reduce((sum, rank) => sum + rank, 0)
  const wanted = gradients ?? (form && (['x', 'loraA', 'loraB'] as const))
  return makeCase('linear', name, {
    sizes: { M, K, N, R, largestRank: Math.max(0, ...ranks) },
    seed: M + K + N,
    absent: [
      ...(bias ? [] : (['bias'] as const)),
      ...(residual ? [] : (['residual'] as const)),
      ...(R > 0 ? [] : (['loraA', 'loraB', 't'] as const)),
      ...(dropout > 0 ? [] : (['dropoutSeed'] as const)),
    ],
    attributes: {
      float32Output,
      dropout,
      seed: 1234,
      int8Activations,
      segments: (segments ?? [[N, 0, 1]]).flat(),
    },
    roles: { weight: weightRole, y: residual || float32Output === 1 ? 'float32' : 'act' },
    data: {
      weight: normal(K ** -0.5),
      loraA: normal(K ** -0.5),
      loraB: normal(0.5),
      dropoutSeed: exactly([4321]),
    },
    ...(form && { form }),
    ...(wanted && { gradients: wanted }),
    // Finite differences see the steps of rounding, which the gradient leaves out.
    ...(int8Activations === 1 && { large: true }),
  })
}

interface ExpertOptions {
  /** How many rows each expert has. */
  rows: readonly number[]
  K: number
  width: number
  rank?: number
  bias?: boolean
  scales?: boolean
  form?: WeightForm
  weightRole?: Role
  large?: boolean
}

export function expertLinear(name: string, options: ExpertOptions): Case<'expertLinear'> {
  const { rows, K, width, rank = 0, bias, scales, form, weightRole = 'act', large } = options
  const ends = rows.map((_, expert) => rows.slice(0, expert + 1).reduce((sum, count) => sum + count, 0))
  return makeCase('expertLinear', name, {
    sizes: { R: ends.at(-1) ?? 0, K, E: rows.length },
    attributes: { width, rank, scaling: 0.5 },
    absent: [
      ...(bias ? [] : (['bias'] as const)),
      ...(scales ? [] : (['scales'] as const)),
      ...(rank > 0 ? [] : (['loraA', 'loraB', 't'] as const)),
    ],
    roles: { weight: weightRole },
    data: {
      ends: exactly(ends),
      weight: normal(K ** -0.5),
      loraA: normal(K ** -0.5),
      loraB: normal(0.5),
    },
    ...(form && { form, gradients: ['x', 'scales', 'loraA', 'loraB'] as const }),
    ...(large && { large }),
  })
}

interface HeadOptions {
  m: number
  H: number
  V: number
  scale?: number
  weightRole?: Role
  evaluation?: boolean
  padding?: number
  uniform?: boolean
  bounds?: Attributes<'targetLogProbs'>
}

export function targetLogProbs(name: string, options: HeadOptions): Case<'targetLogProbs'> {
  const { m, H, V, scale = 1, weightRole = 'act', evaluation = false, padding = 0, uniform } = options
  const { bounds = { scale: 1, cap: 0 } } = options
  return makeCase('targetLogProbs', name, {
    sizes: { m, H, V },
    attributes: bounds,
    roles: { weight: weightRole },
    data: {
      weight: normal(scale * H ** -0.5),
      targets: (r, count) => r.integers(count, V).map((target, i) => (i < m - padding ? target : -1)),
      weights: uniform ? exactly(new Float32Array(m).fill(0.25)) : normal(),
    },
    ...(evaluation && { absent: ['weights', 'dHidden'] as const, gradients: [] }),
  })
}

export function argmax(
  name: string,
  { M, V, levels, shift = 0 }: { M: number; V: number; levels?: number; shift?: number },
): Case<'argmax'> {
  return makeCase('argmax', name, {
    sizes: { M, V },
    attributes: {},
    data: {
      x: (r, count) =>
        levels ? Float32Array.from(r.integers(count, levels)) : r.normal(count).map((x) => x + shift),
    },
  })
}

export function adamw(
  name: string,
  { count, step, decay, clip = 1 }: { count: number; step: number; decay: number; clip?: number },
): Case<'adamw'> {
  return makeCase('adamw', name, {
    sizes: { n: count },
    attributes: {},
    data: {
      gradients: normal(0.1),
      m: normal(0.1),
      v: (r, n) => r.normal(n).map((x) => x * x * 1e-2),
      stats: exactly(Float32Array.of(3, clip)),
      hyper: exactly(Float32Array.of(1e-2, 0.9, 0.999, 1e-8, decay, 1 - 0.9 ** step, 1 - 0.999 ** step)),
    },
  })
}

const clipped = exactly(Float32Array.of(3, 0.25))

export const adafactor = casesOf('adafactor', {
  attributes: {},
  data: {
    rowSquares: gains,
    columnSquares: gains,
    stats: clipped,
    hyper: exactly(Float32Array.of(1e-2, 0.6, 1e-30, 1, 0.1)),
  },
})

export function muon(name: string, sizes: { R: number; S: number }, columns: number): Case<'muon'> {
  return makeCase('muon', name, {
    sizes,
    attributes: { columns },
    data: { stats: clipped, hyper: exactly(Float32Array.of(1e-2, 0.5, 0.95, 0.1, 0)) },
  })
}
