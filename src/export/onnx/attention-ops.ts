import { split, whole } from './columns.ts'
import type { MemoryValue, OpTranslation, OpTranslator } from './op-translation.ts'
import { rotationTables } from './rotation-tables.ts'
import { castTo } from './token-values.ts'

/** Turns some heads by their positions. */
export const rope: OpTranslator = (op) => {
  const { graph, tokens, program, maxPositions, storage } = op
  const rotation = program.rotations.get(op.tensor('cos').id)
  if (!rotation) throw new Error('a rotation that the program does not list')
  const [headDim, rotaryDim] = [op.attribute('headDim'), op.attribute('rotaryDim')]
  const [first, heads] = [op.attribute('firstHead') * headDim, op.attribute('heads')]
  const width = heads * headDim
  const all = op.tensor('qkv').shape[1]
  const [before, turned, behind] = split(graph, op.columns('qkv'), [first, width, all - first - width])
  const tables = rotationTables(graph, tokens, {
    rope: rotation.rope,
    name: op.nameOf(rotation.rope),
    maxPositions,
  })
  const inType = (table: string) =>
    storage.compute === 'float32' ? table : castTo(graph, table, storage.compute)
  // The tables have a row for each token, so that tokens are its positions.
  const count = graph.node('Mul', [
    graph.node('Squeeze', [tokens.batch]),
    graph.node('Squeeze', [tokens.sequence]),
  ])
  const range = graph.node('Range', [graph.scalar(0, 'int64'), count, graph.scalar(1, 'int64')])
  const places = graph.node('Reshape', [range, graph.node('Shape', [tokens.positions])])
  const inputs = [
    tokens.sequences(whole(graph, turned), [width]),
    places,
    inType(tables.cos),
    inType(tables.sin),
  ]
  const y = graph.node('RotaryEmbedding', inputs, {
    num_heads: { int: heads },
    ...(rotaryDim < headDim && { rotary_embedding_dim: { int: rotaryDim } }),
  })
  op.give('y', [...before, { value: tokens.flat(y, width), width }, ...behind])
}

interface Heads {
  queryHeads: number
  keyHeads: number
  headDim: number
}

/** Attention over what is remembered and what is new; both are remembered for the next pass. */
export const cachedAttention: OpTranslator = (op) => {
  const { graph, tokens } = op
  const heads: Heads = {
    queryHeads: op.attribute('queryHeads'),
    keyHeads: op.attribute('keyHeads'),
    headDim: op.attribute('headDim'),
  }
  const { queryHeads, keyHeads, headDim } = heads
  const [query, key] = [queryHeads * headDim, keyHeads * headDim]
  const [q, k, v] = split(graph, op.columns('qkv'), [query, key, key]).map((part) => whole(graph, part))
  const memories = [
    op.memory(op.tensor('keyCache'), 'key'),
    op.memory(op.tensor('valueCache'), 'value'),
  ] as const
  const isGrouped = headDim % 8 === 0 && op.attribute('cap') === 0 && !op.has('sinks')
  const made = isGrouped
    ? groupedAttention(op, heads, { q, k, v }, memories)
    : plainAttention(op, heads, { q, k, v }, memories)
  op.give('o', tokens.flat(made, query))
}

type Projected = Record<'q' | 'k' | 'v', string>
type Memories = readonly [keys: MemoryValue, values: MemoryValue]

function remembered({ keyHeads, headDim }: Heads, length: string): (number | string)[] {
  return ['batch_size', keyHeads, length, headDim]
}

function giveOn(heads: Heads, memories: Memories, presents: readonly string[]): void {
  for (const [i, memory] of memories.entries())
    memory.present(presents[i], remembered(heads, 'total_sequence_length'))
}

/**
 * onnxruntime's operator. Windows and padding are in the bias: runtimes disagree by one about its own windows, and it knows padding
 * behind a sequence only.
 */
function groupedAttention(
  op: OpTranslation,
  heads: Heads,
  { q, k, v }: Projected,
  memories: Memories,
): string {
  const { graph, tokens, storage } = op
  const { queryHeads, keyHeads, headDim } = heads
  const [pastKeys, pastValues] = memories.map((memory) =>
    memory.past(remembered(heads, 'past_sequence_length')),
  )
  const inputs = [
    tokens.sequences(q, [queryHeads * headDim]),
    tokens.sequences(k, [keyHeads * headDim]),
    tokens.sequences(v, [keyHeads * headDim]),
    pastKeys,
    pastValues,
    tokens.lastPlaces,
    tokens.totalCount,
    // Tables and positions of its own rotation.
    '',
    '',
    '',
    tokens.visibility(storage.compute, op.attribute('window'), false),
  ]
  const [attended, ...presents] = graph.nodes('GroupQueryAttention', inputs, 3, {
    num_heads: { int: queryHeads },
    kv_num_heads: { int: keyHeads },
    scale: { float: op.attribute('scale') },
  })
  giveOn(heads, memories, presents)
  return attended
}

/** The same of plain operators, for bounded scores, sinks, and heads of lengths that the operator does not take. */
function plainAttention(op: OpTranslation, heads: Heads, { q, k, v }: Projected, memories: Memories): string {
  const { graph, tokens, storage } = op
  const { node, integers, scalar } = graph
  const { queryHeads, keyHeads, headDim } = heads
  const group = queryHeads / keyHeads
  const joinShape = (...parts: string[]) => node('Concat', parts, { axis: { int: 0 } })
  const transposed = (value: string, ...perm: number[]) =>
    node('Transpose', [value], { perm: { ints: perm } })

  // [batch, key heads, group · sequence, headDim]: queries of one key head below one another.
  const grouped = transposed(tokens.sequences(q, [keyHeads, group, headDim]), 0, 2, 3, 1, 4)
  const queries = node('Reshape', [grouped, integers([0, 0, -1, headDim])])
  const [keys, values] = [k, v].map((value, i) => {
    const past = memories[i].past(remembered(heads, 'past_sequence_length'))
    const own = transposed(tokens.sequences(value, [keyHeads, headDim]), 0, 2, 1, 3)
    return node('Concat', [past, own], { axis: { int: 2 } })
  })
  giveOn(heads, memories, [keys, values])

  const products = castTo(graph, node('MatMul', [queries, transposed(keys, 0, 1, 3, 2)]), 'float32')
  const apart = joinShape(tokens.batch, integers([keyHeads, group]), tokens.sequence, tokens.total)
  const scaled = node('Mul', [node('Reshape', [products, apart]), scalar(op.attribute('scale'), 'float32')])
  const cap = op.attribute('cap')
  const bounded =
    cap === 0
      ? scaled
      : node('Mul', [node('Tanh', [node('Div', [scaled, scalar(cap, 'float32')])]), scalar(cap, 'float32')])
  const visibility = tokens.visibility('float32', op.attribute('window'), true)
  const scores = node('Add', [bounded, node('Unsqueeze', [visibility, integers([1])])])
  const shares = castTo(graph, softmax(op, scores, heads), storage.compute)
  const together = joinShape(tokens.batch, integers([keyHeads, -1]), tokens.total)
  const attended = node('MatMul', [node('Reshape', [shares, together]), values])
  const byHead = joinShape(tokens.batch, integers([keyHeads, group]), tokens.sequence, integers([headDim]))
  return transposed(node('Reshape', [attended, byHead]), 0, 3, 1, 2, 4)
}

/** Softmax of scores [batch, key heads, group, sequence, total]; a head's sink takes part and is left out behind. */
function softmax(op: OpTranslation, scores: string, { keyHeads, queryHeads }: Heads): string {
  const { node, integers, scalar } = op.graph
  if (!op.has('sinks')) return node('Softmax', [scores], { axis: { int: -1 } })
  const { batch, sequence, total } = op.tokens
  const group = queryHeads / keyHeads
  const sinks = op.weights.float(op.parameter('sinks'), 'float32')
  const column = node('Concat', [batch, integers([keyHeads, group]), sequence, integers([1])], {
    axis: { int: 0 },
  })
  const own = node('Expand', [node('Reshape', [sinks, integers([1, keyHeads, group, 1, 1])]), column])
  const all = node('Softmax', [node('Concat', [scores, own], { axis: { int: -1 } })], { axis: { int: -1 } })
  return node('Slice', [all, node('Reshape', [scalar(0, 'int64'), integers([1])]), total, integers([-1])])
}
