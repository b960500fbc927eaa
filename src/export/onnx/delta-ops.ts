import { split, whole } from './columns.ts'
import { createGraphBuilder } from './graph-builder.ts'
import type { Graph } from './model-proto.ts'
import type { OpTranslation, OpTranslator } from './op-translation.ts'
import { castTo } from './token-values.ts'
import { inTypeOf } from './stream-ops.ts'

/** What keeps the lengths of queries and keys from zero. */
const smallest = 1e-6

/**
 * The gated delta rule, token by token, in float32: S ← d S + k uᵀ, u = β (v − d Sᵀ k), o = Sᵀ q. Padding neither writes (β = 0) nor
 * forgets (d = 1).
 */
export const cachedGatedDelta: OpTranslator = (op) => {
  const { graph, tokens } = op
  const { node, scalar, integers } = graph
  const [keyHeads, keyDim] = [op.attribute('keyHeads'), op.attribute('keyDim')]
  const [valueHeads, valueDim] = [op.attribute('valueHeads'), op.attribute('valueDim')]
  const [keys, values] = [keyHeads * keyDim, valueHeads * valueDim]
  const wide = (name: string, widths: readonly number[]) =>
    split(graph, op.columns(name), widths).map((part) =>
      op.type(name) === 'float32' ? whole(graph, part) : castTo(graph, whole(graph, part), 'float32'),
    )
  const [q, k, v] = wide('qkv', [keys, keys, values])
  const [b, a] = wide('ba', [valueHeads, valueHeads])

  // Scan takes a token of each sequence at a time: [sequence, batch, …].
  const byToken = (flat: string, ...sizes: number[]) => {
    const apart = tokens.sequences(flat, sizes)
    return node('Transpose', [apart], { perm: { ints: [1, 0, ...sizes.map((_, i) => i + 2)] } })
  }
  const heads = (flat: string, divisor: number) => {
    const apart = node('Reshape', [flat, integers([-1, keyHeads, 1, keyDim])])
    const squares = node('ReduceSum', [node('Mul', [apart, apart]), integers([-1])])
    const length = node('Sqrt', [node('Add', [squares, scalar(smallest, 'float32')])])
    const unit = node('Div', [apart, node('Mul', [length, scalar(divisor, 'float32')])])
    // Each serves so many value heads, one beside the other.
    const all = node('Expand', [unit, integers([1, 1, valueHeads / keyHeads, 1])])
    return byToken(tokens.flat(all, valueHeads * keyDim), valueHeads, 1, keyDim)
  }
  const isToken = tokens.isToken('float32')
  const rate = node('Mul', [node('Sigmoid', [b]), isToken])
  const softplus = node('Softplus', [node('Add', [a, vector(op, 'dtBias')])])
  const speed = node('Neg', [node('Exp', [vector(op, 'aLog')])])
  const decay = node('Exp', [node('Mul', [node('Mul', [speed, softplus]), isToken])])

  const shape = ['batch_size', valueHeads, keyDim, valueDim]
  const memory = op.memory(op.tensor('state'), 'recurrent')
  const [state, recalled] = graph.nodes(
    'Scan',
    [
      memory.past(shape),
      heads(q, Math.sqrt(keyDim)),
      heads(k, 1),
      byToken(v, valueHeads, 1, valueDim),
      byToken(rate, valueHeads, 1, 1),
      byToken(decay, valueHeads, 1, 1),
    ],
    2,
    { body: { graph: step() }, num_scan_inputs: { int: 5 } },
  )
  memory.present(state, shape)
  // [sequence, batch, value heads, 1, valueDim]
  const bySequence = node('Transpose', [recalled], { perm: { ints: [1, 0, 2, 3, 4] } })
  op.give('o', inTypeOf(op, 'o', tokens.flat(bySequence, values), 'float32'))
}

function vector({ weights, parameter }: OpTranslation, name: string): string {
  return weights.float(parameter(name), 'float32')
}

/** One token of each sequence. */
function step(): Graph {
  const inner = createGraphBuilder('step_')
  const input = (name: string) => inner.input({ name: `step_${name}`, type: 'float32', shape: shapes[name] })
  const [before, q, k, v, rate, decay] = ['before', 'q', 'k', 'v', 'rate', 'decay'].map(input)
  const { node } = inner
  const kept = node('Mul', [before, decay])
  const update = node('Mul', [rate, node('Sub', [v, node('MatMul', [k, kept])])])
  const column = node('Transpose', [k], { perm: { ints: [0, 1, 3, 2] } })
  const after = node('Add', [kept, node('MatMul', [column, update])])
  inner.output({ name: 'step_after', type: 'float32', shape: shapes['before'] }, after)
  inner.output({ name: 'step_recalled', type: 'float32', shape: shapes['v'] }, node('MatMul', [q, after]))
  return inner.build('step')
}

/** [batch, value heads, …]; dimensions have names: their sizes follow from what comes in. */
const shapes: Readonly<Record<string, readonly (number | string)[]>> = {
  before: ['b', 'h', 'k', 'v'],
  q: ['b', 'h', 1, 'k'],
  k: ['b', 'h', 1, 'k'],
  v: ['b', 'h', 1, 'v'],
  rate: ['b', 'h', 1, 1],
  decay: ['b', 'h', 1, 1],
}

/** rmsNorm(x) · silu(gate), each part of a row for itself. */
export const gatedNorm: OpTranslator = (op) => {
  const { graph, tokens } = op
  const { node } = graph
  const width = op.width('y')
  const parts = op.attribute('parts')
  const apart = node('Reshape', [op.value('x'), graph.integers([-1, parts, width / parts])])
  const normalised = node(
    'SimplifiedLayerNormalization',
    [apart, op.weights.float(op.parameter('gain'), op.type('x'))],
    {
      axis: { int: -1 },
      epsilon: { float: op.attribute('eps') },
      stash_type: { int: 1 },
    },
  )
  const gate = op.value('gate')
  const opened = node('Mul', [gate, node('Sigmoid', [gate])])
  op.give('y', node('Mul', [tokens.flat(normalised, width), opened]))
}
