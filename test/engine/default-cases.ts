import type { Attributes, OpName } from '../../src/engine/ops.ts'
import { infoOf } from '../../src/engine/ops.ts'
import { dynamicMap } from '../../src/engine/dynamic-map.ts'
import type { Case, CaseOptions, Data } from './make-case.ts'
import { apart, awayFromOne, exactly, gains, makeCase, range } from './make-case.ts'

/** Two documents, the first of three tokens. */
const documents: Data = (_, count) => Int32Array.from(range(count), (i) => (i < 3 ? 0 : 3))

/** Of gradNorm, with a factor that clips. */
const clipped = exactly(Float32Array.of(3, 0.25))

/** What the cases that follow from an entry of the op table need besides it. */
type Needs<K extends OpName> = Partial<Omit<CaseOptions<K>, 'attributes' | 'absent' | 'large'>>

/**
 * Attributes have no values in the table: an op that has some does not compile until it has them here. Sizes and data where any
 * would not do: sizes are odd otherwise, integers any that the table allows, and other numbers normal.
 */
const needs: {
  readonly [K in OpName as keyof Attributes<K> extends never ? never : K]: Needs<K> & {
    attributes: Attributes<K>
  }
} & { readonly [K in OpName]?: Needs<K> } = {
  selectRows: { data: { rows: (_, count) => Int32Array.from(range(count)) }, sizes: { M: 9, m: 5 } },
  rmsNorm: { attributes: { eps: 1e-5, fromOutput: 0 }, data: { gain: gains } },
  qkNorm: {
    attributes: {
      eps: 1e-6,
      queryParts: 2,
      queryWidth: 6,
      keyParts: 1,
      keyWidth: 8,
      valueWidth: 5,
      valueParts: 1,
      givenWidth: 5,
    },
    data: { qGain: gains, kGain: gains },
  },
  rope: { attributes: { headDim: 6, rotaryDim: 4, firstHead: 0, heads: 3 }, sizes: { C: 21 } },
  attention: {
    attributes: { headDim: 5, queryHeads: 2, keyHeads: 1, scale: 0.5, cap: 3, window: 0 },
    data: { starts: documents },
  },
  cachedAttention: {
    attributes: { headDim: 5, queryHeads: 4, keyHeads: 2, scale: 0.5, cap: 3, window: 0 },
    sizes: { M: 7, S: 3, C: 70 },
    data: {
      slots: (_, count) => Int32Array.from(range(count), (i) => i % 3),
      positions: (_, count) => Int32Array.from(range(count), (i) => Math.floor(i / 3)),
    },
  },
  causalConv: { attributes: { parts: 3, silu: 1 }, sizes: { M: 7, W: 5, K: 3 }, data: { starts: documents } },
  cachedCausalConv: {
    attributes: { parts: 3, silu: 1 },
    sizes: { M: 7, S: 3, W: 5, K: 3, R: 3 },
    data: {
      slots: (_, count) => Int32Array.from(range(count), (i) => i % 3),
      positions: (_, count) => Int32Array.from(range(count), (i) => Math.floor(i / 3)),
    },
  },
  gatedDelta: {
    attributes: { keyHeads: 2, keyDim: 3, valueHeads: 4, valueDim: 5 },
    sizes: { M: 7 },
    data: { starts: documents },
  },
  cachedGatedDelta: {
    attributes: { keyHeads: 2, keyDim: 3, valueHeads: 4, valueDim: 5 },
    sizes: { M: 7, S: 3, R: 2 },
    data: {
      slots: (_, count) => Int32Array.from(range(count), (i) => i % 3),
      positions: (_, count) => Int32Array.from(range(count), (i) => Math.floor(i / 3)),
    },
  },
  gatedNorm: { attributes: { eps: 1e-5, parts: 3 }, sizes: { M: 7, W: 5 }, data: { gain: gains } },
  splitGates: { attributes: { headDim: 3, heads: 2, rest: 5 } },
  copySlots: {
    sizes: { n: 3, S: 4 },
    data: { sources: exactly([0, 0, 0]), slots: exactly([1, 3, 2]) },
  },
  linear: {
    attributes: {
      float32Output: 0,
      dropout: 0.25,
      seed: 77,
      int8Activations: 0,
      segments: [5, 2, 0.5, 4, 3, 2],
    },
    sizes: { N: 9, R: 5, largestRank: 3 },
    roles: { y: 'float32' },
  },
  dropout: { attributes: { dropout: 0.25, seed: 5, rest: 0 } },
  appendColumns: { attributes: { scale: 0.5, width: 5, added: 3 } },
  adaptedLogProbs: {
    attributes: { scale: 0.5, cap: 2 },
    data: { loraB: (r, count) => r.normal(count).map((x) => 0.1 * x) },
  },
  inverseNorms: {
    attributes: { segments: [5, 2, 0.5, 4, 3, 2] },
    sizes: { N: 9, R: 5, largestRank: 3, K: 7 },
    // Rows of weights are longer than what LoRA adds to them.
    data: { squares: (r, count) => r.normal(count).map((x) => 900 + x * x) },
  },
  layerNorm: { attributes: { eps: 1e-5 }, data: { gain: gains } },
  addScaled: { attributes: { scale: 0.25 } },
  scaleColumns: { roles: { y: 'float32' } },
  embedding: { attributes: { scale: 1.5 } },
  joinColumns: { attributes: { first: 2, width: 3 }, sizes: { M: 5, X: 4, C: 7 } },
  gateColumns: { attributes: { activation: 1, first: 2 }, sizes: { M: 5, I: 3, C: 7 } },
  glu: { attributes: { activation: 1 } },
  activation: { attributes: { activation: 2 } },
  route: { attributes: { topK: 2, normalised: 1 }, sizes: { M: 7, E: 5 }, data: { logits: apart } },
  dispatch: {
    sizes: { M: 3, H: 7, R: 6 },
    data: { tokens: exactly([0, 2, 1, 2, 0, 1]), rows: exactly([0, 4, 2, 5, 1, 3]) },
  },
  scaleExperts: { sizes: { R: 7, E: 4 }, data: { ends: exactly([3, 3, 4, 7]) } },
  expertLinear: {
    attributes: { width: 9, rank: 2, scaling: 0.5 },
    sizes: { R: 7, K: 5, E: 4 },
    data: { ends: exactly([3, 3, 4, 7]) },
  },
  expertGlu: { attributes: { activation: 0, gain: 1.7, limit: 1 }, data: { gateUp: awayFromOne } },
  combine: {
    sizes: { M: 3, H: 7, R: 6 },
    data: { tokens: exactly([0, 2, 1, 2, 0, 1]), rows: exactly([0, 4, 2, 5, 1, 3]) },
  },
  countExperts: { data: { ends: exactly([1, 3, 4]) }, sizes: { M: 4, E: 3 } },
  balanceLoss: { attributes: { topK: 2, coefficient: 0.5 }, data: { usage: gains } },
  capLogits: { attributes: { scale: 0.5, cap: 2 } },
  targetLogProbs: { attributes: { scale: 0.5, cap: 2 } },
  fill: { attributes: { value: -1.5 } },
  gradNorm: { attributes: { maxNorm: 1 } },
  adamw: {
    data: {
      v: (r, count) => r.normal(count).map((x) => x * x * 1e-2),
      stats: exactly(Float32Array.of(3, 0.25)),
      hyper: exactly(Float32Array.of(1e-2, 0.9, 0.999, 1e-8, 0.1, 1 - 0.9 ** 7, 1 - 0.999 ** 7)),
    },
  },
  sgd: { data: { stats: clipped, hyper: exactly(Float32Array.of(1e-2, 0.9, 0.8, 0.1, 1)) } },
  lion: { data: { stats: clipped, hyper: exactly(Float32Array.of(1e-2, 0.9, 0.99, 0.1)) } },
  adamw8bit: {
    sizes: { n: 700, B: 3 },
    data: {
      mScales: gains,
      vScales: gains,
      mMap: exactly(dynamicMap(true)),
      vMap: exactly(dynamicMap(false)),
      stats: clipped,
      hyper: exactly(Float32Array.of(1e-2, 0.9, 0.999, 1e-8, 0.1, 1 - 0.9 ** 7, 1 - 0.999 ** 7)),
    },
  },
  lion8bit: {
    sizes: { n: 700, B: 3 },
    data: {
      mScales: gains,
      mMap: exactly(dynamicMap(true)),
      stats: clipped,
      hyper: exactly(Float32Array.of(1e-2, 0.9, 0.99, 0.1)),
    },
  },
  adafactor: {
    sizes: { R: 7, S: 21, C: 19 },
    data: {
      rowSquares: gains,
      columnSquares: gains,
      stats: clipped,
      hyper: exactly(Float32Array.of(1e-2, 0.6, 1e-30, 1, 0.1)),
    },
  },
  muon: {
    attributes: { columns: 19 },
    sizes: { R: 7, S: 21 },
    data: { stats: clipped, hyper: exactly(Float32Array.of(1e-2, 0.5, 0.95, 0.1, 1)) },
  },
}

const oddSizes = [7, 5, 3, 9, 11, 2]
const largerSizes = [131, 97, 33, 67, 203, 21]

/** Cases of an op that follow from its entry: odd sizes, one row, a larger one, and without what may be absent. */
export function defaultCases<K extends OpName>(op: K): Case<K>[] {
  const { inputNames, outputNames, inputs, outputs } = infoOf(op)
  const { sizes, attributes = {}, ...rest } = (needs[op] ?? {}) as Partial<CaseOptions<K>>
  const given = { ...rest, attributes: attributes as Attributes<K> }
  const make = (name: string, odd: readonly number[], options: object = {}) =>
    makeCase(op, `default, ${name}`, { ...given, ...options, sizes: { ...sizesOf(op, odd), ...sizes } })
  const all = [...inputNames, ...outputNames]
  const optional = all.filter((name) => (inputs[name] ?? outputs[name]).optional === true)
  const forVjp = outputNames.filter((name) => outputs[name].auxiliary === true && !optional.includes(name))
  return [
    make('odd sizes', oddSizes),
    // Sizes that are given may belong to the data.
    ...(sizes ? [] : [make('one row', [1, ...oddSizes]), make('larger', largerSizes, { large: true })]),
    ...(optional.length > 0 ? [make('nothing optional', oddSizes, { absent: optional })] : []),
    ...(forVjp.length > 0 ? [make('forward only', oddSizes, { absent: forVjp, gradients: [] })] : []),
  ]
}

/** Sizes for the free names in an op's shapes, in the order in which they come. */
function sizesOf(op: OpName, all: readonly number[]): Record<string, number> {
  const { inputs, outputs, attributes } = infoOf(op)
  const expressions = [...Object.values(inputs), ...Object.values(outputs)].flatMap(
    ({ shape }) => shape ?? [],
  )
  const names = new Set(expressions.flatMap((expression) => expression.match(/[A-Za-z]\w*/g) ?? []))
  const free = [...names].filter((name) => !(name in attributes))
  return Object.fromEntries(free.map((name, i) => [name, all[i % all.length]]))
}
