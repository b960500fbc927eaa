import { split, whole } from './columns.ts'
import type { OpTranslation, OpTranslator } from './op-translation.ts'
import { blockSize } from './quantize-blocks.ts'
import { castTo } from './token-values.ts'

/** The value in the type of an output. */
export function inTypeOf(
  op: OpTranslation,
  output: string,
  value: string,
  from: 'float32' | 'float16',
): string {
  const to = op.type(output)
  return from === to ? value : castTo(op.graph, value, to)
}

/** factor · value; the value itself where the factor is 1. */
function times({ graph }: OpTranslation, value: string, factor: number, type: 'float32' | 'float16'): string {
  return factor === 1 ? value : graph.node('Mul', [value, graph.scalar(factor, type)])
}

export const embedding: OpTranslator = (op) => {
  const { graph, storage, tokens, program, weights } = op
  const table = op.parameter('table')
  const isOfTokens = op.tensor('ids') === program.ids
  const bits = isOfTokens && table.columns % blockSize === 0 ? storage.tableBits : null
  const ids = isOfTokens ? tokens.ids : graph.node('Reshape', [tokens.positions, graph.integers([-1])])
  const rows =
    bits === null
      ? graph.node('Gather', [weights.float(table, storage.compute), ids])
      : quantizedRows(op, ids, bits)
  const widened = inTypeOf(op, 'y', rows, storage.compute)
  op.give('y', times(op, widened, op.attribute('scale'), op.type('y')))
}

/**
 * Rows of a table that is held in blocks of codes, by plain operators: onnxruntime's own one for it is not in its WebAssembly build. The codes
 * lie as the head reads them, [rows, blocks, block], so that tied ones are the same numbers.
 */
function quantizedRows(op: OpTranslation, ids: string, bits: 8): string {
  const { graph, storage, tokens, weights } = op
  const { node, integers, scalar } = graph
  const table = op.parameter('table')
  const { codes, scales } = weights.quantized(table, bits, storage.compute)
  const counted = castTo(graph, node('Gather', [codes, ids]), storage.compute)
  const centred = node('Sub', [counted, scalar(2 ** (bits - 1), storage.compute)])
  const shaped = node('Reshape', [scales, integers([-1, table.columns / blockSize, 1])])
  return tokens.flat(node('Mul', [centred, node('Gather', [shaped, ids])]), table.columns)
}

/** The rows of the tokens that logits are wanted of. */
export const selectRows: OpTranslator = (op) =>
  op.give('y', op.tokens.kept(op.value('x'), op.tensor('x').shape[1]))

export const rmsNorm: OpTranslator = (op) => {
  const type = op.type('x')
  const gain = op.weights.float(op.parameter('gain'), type)
  op.give('y', inTypeOf(op, 'y', rootMeanSquare(op, op.value('x'), gain), type))
}

/** x / sqrt(mean(x²) + eps) · gain, of the last axis. */
function rootMeanSquare(op: OpTranslation, x: string, gain: string): string {
  return op.graph.node('SimplifiedLayerNormalization', [x, gain], {
    axis: { int: -1 },
    epsilon: { float: op.attribute('eps') },
    stash_type: { int: 1 },
  })
}

export const layerNorm: OpTranslator = (op) => {
  const type = op.type('x')
  const [gain, bias] = (['gain', 'bias'] as const).map((name) => op.weights.float(op.parameter(name), type))
  const y = op.graph.node('LayerNormalization', [op.value('x'), gain, bias], {
    axis: { int: -1 },
    epsilon: { float: op.attribute('eps') },
  })
  op.give('y', inTypeOf(op, 'y', y, type))
}

export const cast: OpTranslator = (op) => op.give('y', inTypeOf(op, 'y', op.value('x'), op.type('x')))

export const addScaled: OpTranslator = (op) => {
  const x = inTypeOf(op, 'y', op.value('x'), op.type('x'))
  const scaled = times(op, x, op.attribute('scale'), op.type('y'))
  op.give('y', op.graph.node('Add', [scaled, op.value('residual')]))
}

/** The factor is a parameter, or a number that the program makes. */
export const scaleBy: OpTranslator = (op) => {
  const type = op.type('x')
  const isParameter = op.program.parameters.has(op.tensor('factor').id)
  const factor = isParameter
    ? op.weights.float(op.parameter('factor'), type)
    : type === 'float32'
      ? op.value('factor')
      : castTo(op.graph, op.value('factor'), type)
  op.give('y', op.graph.node('Mul', [op.value('x'), factor]))
}

export const fill: OpTranslator = (op) =>
  op.give('y', [{ value: op.graph.scalar(op.attribute('value'), 'float32'), width: 1 }])

/** Parts of queries and keys, or values, normalised each for itself. */
export const qkNorm: OpTranslator = (op) => {
  const { graph, tokens } = op
  const of = (name: string) => op.attribute(name)
  const [queries, keys] = [of('queryParts') * of('queryWidth'), of('keyParts') * of('keyWidth')]
  const [q, k, given] = split(graph, op.columns('qkv'), [queries, keys, of('givenWidth')])
  const type = op.type('qkv')
  const normalised = (value: string, parts: number, width: number, gain: string) => {
    const apart = graph.node('Reshape', [value, graph.integers([-1, parts, width])])
    return { value: tokens.flat(rootMeanSquare(op, apart, gain), parts * width), width: parts * width }
  }
  const gainOf = (name: string) => op.weights.float(op.parameter(name), type)
  const made = [normalised(whole(graph, q), of('queryParts'), of('queryWidth'), gainOf('qGain'))]
  if (op.has('kGain')) made.push(normalised(whole(graph, k), of('keyParts'), of('keyWidth'), gainOf('kGain')))
  const values = of('givenWidth') > 0 ? given : k
  if (of('valueParts') > 0) {
    const width = of('valueWidth') / of('valueParts')
    const ones = graph.node('Expand', [graph.scalar(1, type), graph.integers([width])])
    made.push(normalised(whole(graph, values), of('valueParts'), width, ones))
  } else if (of('valueWidth') > 0) made.push(...values)
  op.give('y', made)
}

export const joinColumns: OpTranslator = (op) => {
  const [first, width] = [op.attribute('first'), op.attribute('width')]
  const all = op.tensor('from').shape[1]
  const [, wanted] = split(op.graph, op.columns('from'), [first, width, all - first - width])
  op.give('y', [...op.columns('x'), ...wanted])
}

/** cap · tanh(scale · x / cap) */
export const capLogits: OpTranslator = (op) => {
  const [scale, cap] = [op.attribute('scale'), op.attribute('cap')]
  const type = op.type('x')
  if (cap === 0) op.give('y', times(op, op.value('x'), scale, type))
  else
    op.give('y', times(op, op.graph.node('Tanh', [times(op, op.value('x'), scale / cap, type)]), cap, type))
}
