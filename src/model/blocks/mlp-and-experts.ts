import { activations, type Activation } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import type { Block } from './architecture.ts'
import type { Experts, Routing } from './experts.ts'
import { addExperts, expertParts, plainGate, route, type Routed } from './experts.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'

/** A gated MLP and experts side by side, each between norms of its own. */
export interface MlpAndExpertsParts {
  mlp: { before: Norm; gateUp: Linear; down: Linear; after: Norm }
  experts: { before: Norm; gateUp: Experts; down: Experts; after: Norm }
  router: {
    norm: Norm
    logits: Linear
    /** Of the logits. */
    scale: number
    routing: Routing
    /** A factor of each expert on the weights of its tokens [E]. */
    expertScales: Parameter
  }
  activation: Activation
  /** Of the sum. */
  after: Norm
}

/**
 * x + after(after₁(mlp(before₁(x))) + after₂(Σ_e s_e · weight_e · expert_e(before₂(x)))), weights from the router's norm of x.
 * Source: Gemma 4, modeling_gemma4.py of transformers 5.24
 */
export function mlpAndExperts(parts: MlpAndExpertsParts): Block {
  const { mlp, experts, router, after, activation } = parts
  const width = mlp.gateUp.weight.columns
  const inner = mlp.down.weight.columns
  const count = rowCount(router.logits.weight)
  const { topK } = router.routing
  const again = 2 * inner + topK * (width + 3 * experts.down.weight.columns)
  return {
    parameters: [
      ...mlp.before.parameters,
      ...linearParts(mlp.gateUp),
      ...linearParts(mlp.down),
      ...mlp.after.parameters,
      ...router.norm.parameters,
      ...linearParts(router.logits),
      router.expertScales,
      ...experts.before.parameters,
      ...expertParts(experts.gateUp),
      ...expertParts(experts.down),
      ...experts.after.parameters,
      ...after.parameters,
    ],
    mixesTokens: false,
    kept: {
      activations: 6 * width + again,
      again,
      float32: 3 * width + 2 * count + 4 * topK,
    },
    cost: { shareOf: ({ kind }) => (kind === 'experts' ? topK / count : 1) },
    record(pass, stream, { computesAgain }) {
      const { tape } = pass
      const recorded = <T>(body: () => T): T => (computesAgain ? tape.recomputed(body) : body())
      const input = mlp.before.record(pass, stream)
      const made = recorded(() => recordMlp(pass, mlp, activation, input))
      const routed = recordRouter(pass, router, stream)
      const expertInput = experts.before.record(pass, stream)
      const gate = plainGate(activation)
      const chosen = recorded(() =>
        addExperts(pass, { ...experts, gate }, expertInput, routed, times(pass, stream, 0)),
      )
      const sum = add(pass, mlp.after.record(pass, made), times(pass, stream, 0))
      const both = add(pass, experts.after.record(pass, chosen), sum)
      return add(pass, after.record(pass, both), stream)
    },
  }
}

/** down(f(gate(x)) · up(x)), float32. */
function recordMlp(
  pass: ForwardPass,
  { gateUp, down }: MlpAndExpertsParts['mlp'],
  activation: Activation,
  input: Tensor,
): Tensor {
  const wide = recordLinear(pass, input, gateUp, null)
  const y = { dtype: pass.options.activation, shape: [wide.shape[0], down.weight.columns] }
  const gated = pass.tape.apply(
    'glu',
    { gateUp: wide },
    { activation: activations.indexOf(activation) },
    { y },
  )
  return recordLinear(pass, present(gated.y), down, null, true)
}

function recordRouter(
  pass: ForwardPass,
  { norm, logits, scale, routing, expertScales }: MlpAndExpertsParts['router'],
  stream: Tensor,
): Routed {
  const given = recordLinear(pass, norm.record(pass, stream), logits, null, true)
  // No auxiliary loss reads what it decides.
  const { routings: _, ...unheard } = pass
  const routed = route(unheard, times(pass, given, scale), routing)
  const inputs = { weights: routed.weights, ends: routed.ends, scales: pass.tensors.tensor(expertScales) }
  const { y } = pass.tape.apply('scaleExperts', inputs, {}, { y: routed.weights })
  return { ...routed, weights: present(y) }
}

/** x + residual, float32. */
function add({ tape }: ForwardPass, x: Tensor, residual: Tensor): Tensor {
  const y = { dtype: 'float32' as const, shape: residual.shape }
  return present(tape.apply('addScaled', { x, residual }, { scale: 1 }, { y }).y)
}

/** factor · x; with 0 what a sum of as many rows as x begins with. */
function times({ tape }: ForwardPass, x: Tensor, factor: number): Tensor {
  const { y } = tape.apply('fill', {}, { value: factor }, { y: { dtype: 'float32', shape: [1] } })
  return present(tape.apply('scaleBy', { x, factor: present(y) }, {}, { y: x }).y)
}
