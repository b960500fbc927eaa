import type { GraphBuilder } from './graph-builder.ts'
import type { ElementType } from './model-proto.ts'

/** Behind every place of an axis. */
const toEnd = Number.MAX_SAFE_INTEGER

/**
 * Beside every score, so little that nothing is left of it: within float16 even when scores are added to it, so that a row of padding,
 * which sees nothing, still has numbers.
 */
const farBelow = -30_000

/**
 * What every token brings along. Values of M = batch · sequence tokens are flat, [M, width], as in fettle's own programs; operators
 * that need sequences get [batch, sequence, width]. Padding may be on either side: positions count the ones of the attention mask.
 */
export interface TokenValues {
  /** int64 [M] */
  ids: string
  /** int64 [batch, sequence] */
  positions: string
  /** int64 [1] each */
  batch: string
  sequence: string
  total: string
  /** [M, width] of [batch, sequence, width]. */
  flat(value: string, width: number): string
  /** [batch, sequence, …sizes] of [M, width]. */
  sequences(value: string, sizes: readonly number[]): string
  /** The rows of the last tokens of each sequence that logits are wanted of, flat. */
  kept(value: string, width: number): string
  /** 1 for tokens, 0 for padding. [M, 1] */
  isToken(type: 'float32' | 'float16'): string
  /** 0 where a token sees another, else far below it. [batch, 1, sequence, total] */
  visibility(type: 'float32' | 'float16', window: number, isCausal: boolean): string
  /** int32 [batch], and int32 []: as GroupQueryAttention counts what is remembered and what is new. */
  lastPlaces: string
  totalCount: string
}

export function createTokenValues(graph: GraphBuilder): TokenValues {
  const { node, integers, scalar } = graph
  const input = (name: string, ...shape: string[]) => graph.input({ name, type: 'int64', shape })
  const given = input('input_ids', 'batch_size', 'sequence_length')
  const mask = input('attention_mask', 'batch_size', 'total_sequence_length')
  const wanted = input('num_logits_to_keep')

  const size = (value: string, axis: number) =>
    node('Shape', [value], { start: { int: axis }, end: { int: axis + 1 } })
  const [batch, sequence, total] = [size(given, 0), size(given, 1), size(mask, 1)]
  const shape = node('Concat', [batch, sequence], { axis: { int: 0 } })
  const last = (value: string, count: string, axis: number) =>
    node('Slice', [value, node('Neg', [count]), integers([toEnd]), integers([axis])])
  const cast = (value: string, type: ElementType) => castTo(graph, value, type)
  const newMask = last(mask, sequence, 1)

  const counted = node('Sub', [node('CumSum', [mask, scalar(1, 'int64')]), scalar(1, 'int64')])
  const positions = last(node('Max', [counted, scalar(0, 'int64')]), sequence, 1)

  const values: TokenValues = {
    ids: node('Reshape', [given, integers([-1])]),
    positions,
    batch,
    sequence,
    total,
    flat: (value, width) => node('Reshape', [value, integers([-1, width])]),
    sequences: (value, sizes) =>
      node('Reshape', [value, node('Concat', [shape, integers(sizes)], { axis: { int: 0 } })]),
    kept(value, width) {
      const count = node('Reshape', [wanted, integers([1])])
      return values.flat(last(values.sequences(value, [width]), count, 1), width)
    },
    isToken: (type) => cast(node('Reshape', [newMask, integers([-1, 1])]), type),
    visibility(type, window, isCausal) {
      const range = (count: string) =>
        node('Range', [scalar(0, 'int64'), node('Squeeze', [count]), scalar(1, 'int64')])
      const padding = node('Unsqueeze', [node('Equal', [mask, scalar(0, 'int64')]), integers([1, 2])])
      const past = node('Sub', [total, sequence])
      // Places, not positions: padding lies on one side of all that is seen.
      const place = node('Unsqueeze', [node('Add', [range(sequence), past]), integers([1])])
      const other = range(total)
      const hidden = [padding]
      if (isCausal) hidden.push(node('Greater', [other, place]))
      if (window > 0) hidden.push(node('LessOrEqual', [other, node('Sub', [place, scalar(window, 'int64')])]))
      const isHidden = hidden.reduce((sum, each) => node('Or', [sum, each]))
      const bias = node('Where', [isHidden, scalar(farBelow, type), scalar(0, type)])
      const all = node('Concat', [batch, integers([1]), sequence, total], { axis: { int: 0 } })
      return node('Expand', [bias, all])
    },
    lastPlaces: cast(node('Expand', [node('Sub', [total, integers([1])]), batch]), 'int32'),
    totalCount: cast(node('Squeeze', [total]), 'int32'),
  }
  return values
}

/** Numbers of the types that a graph converts between, as attributes of Cast name them. */
const castNumbers = { float32: 1, int32: 6, int64: 7, float16: 10 } as const

/** The value in another type. */
export function castTo(graph: GraphBuilder, value: string, type: ElementType): string {
  const number = Object.entries(castNumbers).find(([name]) => name === type)?.[1]
  if (number === undefined) throw new Error(`a cast to ${type}`)
  return graph.node('Cast', [value], { to: { int: number } })
}
