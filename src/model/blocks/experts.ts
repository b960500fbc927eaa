import { activations, type Activation } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import type { Block } from './architecture.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'

/** The stacked projections of all experts, and their biases. */
export interface Experts {
  /** [E · width, inputs] */
  weight: Parameter
  /** [E · width] */
  bias: Parameter | null
}

/** How tokens choose their experts. */
export interface Routing {
  /** How many each token goes to. */
  topK: number
  /** Whether the weights of the chosen ones sum to one. */
  isNormalised: boolean
}

/** f(g) = activation(gain · g) / gain; with a limit gate and up are cut, and up is counted from −1: see expertGlu in ops.ts. */
export interface ExpertGate {
  activation: Activation
  gain: number
  /** 0: none. */
  limit: number
}

/** As in a gated MLP. */
export function plainGate(activation: Activation): ExpertGate {
  return { activation, gain: 1, limit: 0 }
}

/** An MLP that every token goes to, with a weight of its own for each token. */
export interface SharedExpert {
  /** [1, width], before the sigmoid. */
  weight: Linear
  gateUp: Linear
  down: Linear
}

/** What a layer of experts is made of. */
export interface ExpertParts {
  norm: Norm
  /** A logit for each expert. */
  router: Linear
  routing: Routing
  /** Of each expert gate and up, in this order. */
  gateUp: Experts
  down: Experts
  gate: ExpertGate
  shared?: SharedExpert | undefined
}

/**
 * x + Σ_e weight_e · down_e(f(gate_e(h)) · up_e(h)), h = norm(x), over the experts that a token goes to.
 * Source: Shazeer et al. 2017, https://arxiv.org/abs/1701.06538; shared experts: Dai et al. 2024, https://arxiv.org/abs/2401.06066
 */
export function experts(parts: ExpertParts): Block {
  const { norm, router, routing, gateUp, down, shared } = parts
  const [width, inner, count] = [gateUp.weight.columns, down.weight.columns, rowCount(router.weight)]
  const sharedInner = shared?.down.weight.columns ?? 0
  return {
    parameters: [
      ...norm.parameters,
      ...linearParts(router),
      ...expertParts(gateUp),
      ...expertParts(down),
      ...(shared ? [shared.gateUp, shared.down, shared.weight].flatMap(linearParts) : []),
    ],
    mixesTokens: false,
    kept: {
      activations: width + routing.topK * (width + 3 * inner) + 3 * sharedInner,
      again: routing.topK * (width + 3 * inner) + 2 * sharedInner,
      // Logits, and weight, token and row of each place.
      float32: count + 3 * routing.topK,
    },
    cost: { shareOf: ({ kind }) => (kind === 'experts' ? routing.topK / count : 1) },
    record(pass, stream, { computesAgain }) {
      const input = norm.record(pass, stream)
      const routed = route(pass, recordLinear(pass, input, router, null, true), routing)
      const compute = () => addExperts(pass, parts, input, routed, stream)
      const summed = computesAgain ? pass.tape.recomputed(compute) : compute()
      if (!shared) return summed
      const add = () => addShared(pass, shared, parts.gate, input, summed)
      return computesAgain ? pass.tape.recomputed(add) : add()
    },
  }
}

export function expertParts({ weight, bias }: Experts): Parameter[] {
  return bias ? [weight, bias] : [weight]
}

/** Rows of tokens at their experts: weight, token, where each token's rows are, where each expert's end. */
export interface Routed {
  weights: Tensor
  tokens: Tensor
  rows: Tensor
  ends: Tensor
}

export function route(
  { tape, routings }: ForwardPass,
  logits: Tensor,
  { topK, isNormalised }: Routing,
): Routed {
  const [count, experts] = logits.shape
  const shape = [topK * count]
  const integers = { dtype: 'int32' as const, shape }
  const { weights, tokens, rows, ends } = tape.apply(
    'route',
    { logits },
    { topK, normalised: isNormalised ? 1 : 0 },
    {
      weights: { dtype: 'float32', shape },
      tokens: integers,
      rows: integers,
      ends: { dtype: 'int32', shape: [experts] },
    },
  )
  routings?.push({ logits, ends: present(ends) })
  return {
    weights: present(weights),
    tokens: present(tokens),
    rows: present(rows),
    ends: present(ends),
  }
}

/** stream + what the experts make of `input` [M, width]. */
export function addExperts(
  pass: ForwardPass,
  { gateUp, down, gate }: Pick<ExpertParts, 'gateUp' | 'down' | 'gate'>,
  input: Tensor,
  { weights, tokens, rows, ends }: Routed,
  stream: Tensor,
): Tensor {
  const { tape, options } = pass
  const given = { dtype: options.activation, shape: [tokens.shape[0], input.shape[1]] }
  const x = present(tape.apply('dispatch', { x: input, tokens, rows }, {}, { y: given }).y)
  const wide = recordExperts(pass, gateUp, x, ends, null)
  const gated = recordGate(pass, wide, weights, gate)
  const y = recordExperts(pass, down, gated, ends, weights)
  const summed = { dtype: 'float32' as const, shape: stream.shape }
  return present(tape.apply('combine', { x: y, residual: stream, tokens, rows }, {}, { y: summed }).y)
}

/** y [R, width] of rows x [R, inputs] that are sorted by expert; biases are multiplied by the rows' scales, where there are some. */
function recordExperts(
  { tape, tensors, options }: ForwardPass,
  { weight: parameter, bias }: Experts,
  x: Tensor,
  ends: Tensor,
  scales: Tensor | null,
): Tensor {
  const { weight, lora } = tensors.experts(parameter)
  const [count] = x.shape
  const width = weight.shape[0] / ends.shape[0]
  const { y } = tape.apply(
    'expertLinear',
    {
      x,
      ends,
      weight,
      bias: bias && tensors.tensor(bias),
      scales: bias && scales,
      loraA: lora?.a ?? null,
      loraB: lora?.b ?? null,
    },
    { width, rank: lora?.rank ?? 0, scaling: lora?.scaling ?? 0 },
    {
      y: { dtype: options.activation, shape: [count, width] },
      t: lora && { dtype: options.activation, shape: [count, lora.rank] },
    },
  )
  return present(y)
}

/** weights · f(gate) · up [R, inner] of gate beside up [R, 2 · inner]. */
function recordGate(
  { tape }: ForwardPass,
  gateUp: Tensor,
  weights: Tensor,
  { activation, gain, limit }: ExpertGate,
): Tensor {
  const [count, width] = gateUp.shape
  const attributes = { activation: activations.indexOf(activation), gain, limit }
  const y = { dtype: gateUp.dtype, shape: [count, width / 2] }
  return present(tape.apply('expertGlu', { gateUp, weights }, attributes, { y }).y)
}

function addShared(
  pass: ForwardPass,
  { weight, gateUp, down }: SharedExpert,
  gate: ExpertGate,
  input: Tensor,
  stream: Tensor,
): Tensor {
  const logit = recordLinear(pass, input, weight, null, true)
  const y = { dtype: 'float32' as const, shape: [input.shape[0]] }
  const weights = present(pass.tape.apply('sigmoid', { x: logit }, {}, { y }).y)
  const gated = recordGate(pass, recordLinear(pass, input, gateUp, null), weights, gate)
  return recordLinear(pass, gated, down, stream)
}
