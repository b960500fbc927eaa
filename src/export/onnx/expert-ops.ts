import type { Parameter } from '../../model/index.ts'
import type { ExpertRows, ExpertStep, Route } from './expert-tensors.ts'
import { createGraphBuilder, type GraphBuilder } from './graph-builder.ts'
import { activated } from './linear-ops.ts'
import type { OpTranslation, OpTranslator } from './op-translation.ts'
import { blockSize } from './quantize-blocks.ts'
import { castTo } from './token-values.ts'

export const route: OpTranslator = (op) => {
  const { graph } = op
  const isNormalised = op.attribute('normalised') === 1
  const softmax = (x: string) => graph.node('Softmax', [x], { axis: { int: -1 } })
  const logits = op.value('logits')
  const [chosen, experts] = graph.nodes(
    'TopK',
    [isNormalised ? logits : softmax(logits), graph.integers([op.attribute('topK')])],
    2,
    { axis: { int: -1 } },
  )
  const made = { experts, weights: isNormalised ? softmax(chosen) : chosen }
  for (const name of ['weights', 'tokens', 'rows', 'ends']) op.routes.set(op.result(name), made)
}

export const scaleExperts: OpTranslator = (op) => {
  const { experts, weights } = routeOf(op, 'weights')
  const scales = op.graph.node('Gather', [op.weights.float(op.parameter('scales'), 'float32'), experts])
  op.routes.set(op.result('y'), { experts, weights: op.graph.node('Mul', [weights, scales]) })
}

export const dispatch: OpTranslator = (op) =>
  op.expertRows.set(op.result('y'), { route: routeOf(op, 'tokens'), x: op.value('x'), steps: [] })

export const expertLinear: OpTranslator = (op) => {
  const weight = op.parameter('weight')
  const width = op.attribute('width')
  const bias = op.has('bias') ? op.weights.float(op.parameter('bias'), op.storage.compute) : undefined
  const multiplied = expertProduct(op, weight, width)
  const isScaled = op.has('scales')
  addStep(op, 'x', ({ inner, number, weights }, value) => {
    const y = multiplied(inner, number, value)
    if (bias === undefined) return y
    const own = rowsOfExpert(inner, bias, number, width)
    const inType = castOnce(inner, weights, op.storage.compute)
    return inner.node('Add', [y, isScaled ? inner.node('Mul', [inType, own]) : own])
  })
}

/** x Wᵀ with the rows of one expert of a stack. */
function expertProduct(op: OpTranslation, weight: Parameter, width: number) {
  const { storage, weights } = op
  const { columns } = weight
  const bits = columns % blockSize === 0 ? storage.projectionBits : null
  if (bits === null) {
    const all = weights.float(weight, storage.compute)
    return (inner: GraphBuilder, number: string, x: string) =>
      inner.node('Gemm', [x, rowsOfExpert(inner, all, number, width)], { transB: { int: 1 } })
  }
  const { codes, scales } = weights.quantized(weight, bits, storage.compute)
  return (inner: GraphBuilder, number: string, x: string) =>
    inner.node(
      'MatMulNBits',
      [
        x,
        rowsOfExpert(inner, codes, number, width),
        rowsOfExpert(inner, scales, number, width * (columns / blockSize)),
      ],
      { K: { int: columns }, N: { int: width }, bits: { int: bits }, block_size: { int: blockSize } },
    )
}

/** The stretch of `count` rows that belongs to an expert. */
function rowsOfExpert(inner: GraphBuilder, stack: string, number: string, count: number): string {
  const first = inner.node('Mul', [number, inner.integers([count])])
  const end = inner.node('Add', [first, inner.integers([count])])
  return inner.node('Slice', [stack, first, end, inner.integers([0])])
}

/** weights · f(gate) · up; of rows at experts, or of a shared one, whose rows are all tokens'. */
export const expertGlu: OpTranslator = (op) => {
  const given = op.expertRows.get(op.tensor('gateUp'))
  if (given) {
    // Weights may have been scaled since the rows went to their experts.
    addStep(
      op,
      'gateUp',
      ({ inner, weights }, value) => gated(op, inner, value, weights),
      routeOf(op, 'weights'),
    )
    return
  }
  op.give('y', gated(op, op.graph, op.value('gateUp'), op.value('weights')))
}

function gated(op: OpTranslation, graph: GraphBuilder, gateUp: string, weights: string): string {
  const { node, integers, scalar } = graph
  const type = op.storage.compute
  const [gain, limit] = [op.attribute('gain'), op.attribute('limit')]
  const half = op.width('y')
  const [gate, up] = graph.nodes('Split', [gateUp, integers([half, half])], 2, { axis: { int: -1 } })
  const times = (value: string, factor: number) =>
    factor === 1 ? value : node('Mul', [value, scalar(factor, type)])
  const f = (value: string) =>
    times(activated(graph, op.attribute('activation'), times(value, gain)), 1 / gain)
  const product =
    limit > 0
      ? node('Mul', [
          f(node('Min', [gate, scalar(limit, type)])),
          node('Add', [
            node('Max', [node('Min', [up, scalar(limit, type)]), scalar(-limit, type)]),
            scalar(1, type),
          ]),
        ])
      : node('Mul', [f(gate), up])
  return node('Mul', [product, castOnce(graph, weights, type)])
}

/** residual + what the experts of each token make: a turn for each expert that any token goes to. */
export const combine: OpTranslator = (op) => {
  const { graph } = op
  const { route: to, x, steps } = rowsOf(op, 'x')
  const used = graph.node('Unique', [to.experts], { sorted: { int: 1 } })
  const turns = graph.node('Squeeze', [graph.node('Shape', [used])])
  const body = turnOf(op, { used, to, x, steps })
  op.give('y', graph.node('Loop', [turns, '', op.value('residual')], { body: { graph: body } }))
}

function turnOf(
  op: OpTranslation,
  { used, to, x, steps }: { used: string; to: Route } & Omit<ExpertRows, 'route'>,
) {
  const inner = createGraphBuilder('expert_')
  const { node, integers } = inner
  const turn = inner.input({ name: 'expert_turn', type: 'int64', shape: [] })
  const goesOn = inner.input({ name: 'expert_goes_on', type: 'bool', shape: [] })
  const shape = ['tokens', op.width('y')]
  const before = inner.input({ name: 'expert_before', type: 'float32', shape })
  const number = node('Gather', [used, node('Reshape', [turn, integers([1])])])
  // [2, n]: tokens, and which of their places this expert has.
  const places = node('NonZero', [node('Equal', [to.experts, number])])
  const [tokens] = inner.nodes('Split', [places, integers([1, 1])], 2, { axis: { int: 0 } })
  const rows = node('Reshape', [tokens, integers([-1])])
  const flat = node('GatherND', [to.weights, node('Transpose', [places], { perm: { ints: [1, 0] } })])
  const weights = node('Reshape', [flat, integers([-1, 1])])
  const expert = { inner, number, weights }
  const made = steps.reduce((value, step) => step(expert, value), node('Gather', [x, rows]))
  const added = node('Add', [
    node('Gather', [before, rows]),
    castOnce(inner, made, 'float32', op.storage.compute),
  ])
  const after = node('ScatterND', [before, node('Reshape', [rows, integers([-1, 1])]), added])
  inner.output({ name: 'expert_goes_on_after', type: 'bool', shape: [] }, goesOn)
  inner.output({ name: 'expert_after', type: 'float32', shape }, after)
  return inner.build('expert')
}

export const sigmoid: OpTranslator = (op) =>
  op.give('y', [{ value: op.graph.node('Sigmoid', [op.value('x')]), width: 1 }])

function castOnce(
  graph: GraphBuilder,
  value: string,
  to: 'float32' | 'float16',
  from: 'float32' | 'float16' = 'float32',
): string {
  return from === to ? value : castTo(graph, value, to)
}

function routeOf(op: OpTranslation, input: string): Route {
  const found = op.routes.get(op.tensor(input))
  if (!found) throw new Error(`${input} is of no route`)
  return found
}

function rowsOf(op: OpTranslation, input: string): ExpertRows {
  const found = op.expertRows.get(op.tensor(input))
  if (!found) throw new Error(`${input} has no rows at experts`)
  return found
}

function addStep(op: OpTranslation, input: string, step: ExpertStep, newRoute?: Route): void {
  const { route: before, x, steps } = rowsOf(op, input)
  op.expertRows.set(op.result('y'), { route: newRoute ?? before, x, steps: [...steps, step] })
}
