import { split, whole } from './columns.ts'
import type { OpTranslator } from './op-translation.ts'

/**
 * Depthwise convolution over what is remembered and what is new [batch, width, positions]. Padding counts as zeros, as what is before a
 * sequence does.
 */
export const cachedCausalConv: OpTranslator = (op) => {
  const { graph, tokens, storage, weights } = op
  const { node, integers } = graph
  const weight = op.parameter('weight')
  const width = op.width('y')
  const [taps] = op.tensor('weight').shape
  const parts = Array.from({ length: op.attribute('parts') }, () => width)
  const pieces = split(graph, op.columns('x'), parts).map((piece) => whole(graph, piece))
  const gated = pieces.length === 3 ? node('Mul', [pieces[0], pieces[2]]) : pieces[0]
  const real = node('Mul', [gated, tokens.isToken(storage.compute)])
  const turned = node('Transpose', [tokens.sequences(real, [width])], { perm: { ints: [0, 2, 1] } })

  const memory = op.memory(op.tensor('state'), 'conv')
  const shape = ['batch_size', width, taps - 1]
  const all = node('Concat', [memory.past(shape), turned], { axis: { int: 2 } })
  const end = integers([Number.MAX_SAFE_INTEGER])
  memory.present(node('Slice', [all, integers([1 - taps]), end, integers([2])]), shape)

  const channels = node('Transpose', [weights.float(weight, storage.compute)], { perm: { ints: [1, 0] } })
  const kernel = node('Unsqueeze', [channels, integers([1])])
  const bias = op.has('bias') ? [weights.float(op.parameter('bias'), storage.compute)] : []
  const convolved = node('Conv', [all, kernel, ...bias], { group: { int: width } })
  const flat = tokens.flat(node('Transpose', [convolved], { perm: { ints: [0, 2, 1] } }), width)
  const y = op.attribute('silu') === 1 ? node('Mul', [flat, node('Sigmoid', [flat])]) : flat
  op.give('y', pieces.length === 3 ? node('Mul', [pieces[1], y]) : y)
}
