import { activations } from '../../engine/index.ts'
import { split, whole } from './columns.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { OpTranslation, OpTranslator } from './op-translation.ts'
import { blockSize } from './quantize-blocks.ts'
import { inTypeOf } from './stream-ops.ts'

/** x Wᵀ + bias + residual */
export const linear: OpTranslator = (op) => {
  const { graph, storage } = op
  const product = inTypeOf(op, 'y', multiplied(op), storage.compute)
  op.give('y', op.has('residual') ? graph.node('Add', [product, op.value('residual')]) : product)
}

function multiplied(op: OpTranslation): string {
  const { graph, storage, weights } = op
  const { compute } = storage
  const weight = op.parameter('weight')
  const { columns } = weight
  const bias = op.has('bias') ? [weights.float(op.parameter('bias'), compute)] : []
  const { kind } = weight
  // A router is a small matrix, of which little errors send tokens to other experts.
  const isTable = op.width('y') === op.vocabulary
  const asked = kind === 'linear' ? storage.projectionBits : isTable ? storage.tableBits : null
  const bits = columns % blockSize === 0 ? asked : null
  if (bits === null)
    return graph.node('Gemm', [op.value('x'), weights.float(weight, compute), ...bias], {
      transB: { int: 1 },
    })
  const { codes, scales } = weights.quantized(weight, bits, compute)
  // Without zero points codes are counted from the middle; the bias is the sixth input.
  const absent = bias.length > 0 ? ['', ''] : []
  return graph.node('MatMulNBits', [op.value('x'), codes, scales, ...absent, ...bias], {
    K: { int: columns },
    N: { int: op.width('y') },
    bits: { int: bits },
    block_size: { int: blockSize },
    // Without it onnxruntime turns all codes of 8 bits into numbers for every token.
    ...(bits === 8 && { accuracy_level: { int: 4 } }),
  })
}

/** f(x) of an activation by its number. */
export function activated(graph: GraphBuilder, number: number, x: string): string {
  switch (activations[number]) {
    case 'silu':
      return graph.node('Mul', [x, graph.node('Sigmoid', [x])])
    case 'geluTanh':
      return graph.node('FastGelu', [x])
    case 'gelu':
      return graph.node('Gelu', [x])
  }
}

export const activation: OpTranslator = (op) =>
  op.give('y', activated(op.graph, op.attribute('activation'), op.value('x')))

export const glu: OpTranslator = (op) => {
  const inner = op.width('y')
  const [gate, up] = split(op.graph, op.columns('gateUp'), [inner, inner])
  op.give(
    'y',
    op.graph.node('Mul', [
      activated(op.graph, op.attribute('activation'), whole(op.graph, gate)),
      whole(op.graph, up),
    ]),
  )
}

export const gateColumns: OpTranslator = (op) => {
  const first = op.attribute('first')
  const width = op.width('y')
  const all = op.tensor('up').shape[1]
  const [, up] = split(op.graph, op.columns('up'), [first, width, all - first - width])
  const factor = inTypeOf(op, 'y', whole(op.graph, up), op.type('up'))
  op.give(
    'y',
    op.graph.node('Mul', [activated(op.graph, op.attribute('activation'), op.value('gate')), factor]),
  )
}

/** Queries beside their gates, head by head, and other columns behind. */
export const splitGates: OpTranslator = (op) => {
  const { graph, tokens } = op
  const [headDim, heads, rest] = [op.attribute('headDim'), op.attribute('heads'), op.attribute('rest')]
  const width = heads * headDim
  const [pairs, behind] = split(graph, op.columns('x'), [2 * width, rest])
  const apart = graph.node('Reshape', [whole(graph, pairs), graph.integers([-1, heads, 2 * headDim])])
  const [queries, gates] = graph.nodes('Split', [apart, graph.integers([headDim, headDim])], 2, {
    axis: { int: -1 },
  })
  op.give('y', [{ value: tokens.flat(queries, width), width }, ...behind])
  op.give('gate', tokens.flat(gates, width))
}

export const sigmoidGate: OpTranslator = (op) =>
  op.give('y', op.graph.node('Mul', [op.value('x'), op.graph.node('Sigmoid', [op.value('gate')])]))
