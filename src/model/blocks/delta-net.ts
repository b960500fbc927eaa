import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { Block } from './architecture.ts'
import type { CacheShape } from './cache-shape.ts'
import { convParts, convState, recordConv, type CausalConv } from './causal-conv.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'
import { addToStream } from './residual.ts'
import { selectRows } from './select-rows.ts'

/** What a gated delta net is made of. */
export interface DeltaNetParts {
  norm: Norm
  heads: DeltaHeads
  /** Queries, keys and values, in this order. */
  qkv: Linear
  /** Of all of these. */
  conv: CausalConv
  /** What the memory's output is gated with [valueHeads · valueDim]. */
  gate: Linear
  /** b, of which the rate of learning follows, and a, of which the decay does: two rows for each value head. */
  rates: Linear
  /** log of the decay's rate, and what is added to a [valueHeads]. */
  decay: { aLog: Parameter; dtBias: Parameter }
  /** RMS norm of each value head, before its gate. */
  headNorm: { gain: Parameter; eps: number }
  output: Linear
}

/** Each key head serves valueHeads / keyHeads value heads, each of which has a memory [keyDim, valueDim]. */
export interface DeltaHeads {
  keyHeads: number
  keyDim: number
  valueHeads: number
  valueDim: number
}

/**
 * x + out(gatedNorm(gatedDelta(conv(qkv(norm(x)))))).
 * Source: Yang et al. 2024, https://arxiv.org/abs/2412.06464
 */
export function deltaNet(parts: DeltaNetParts): Block {
  const { norm, heads, qkv, conv, gate, rates, decay, headNorm, output } = parts
  const values = heads.valueHeads * heads.valueDim
  const memory = { positions: 1, width: values * heads.keyDim, isFloat32: true }
  const cache: CacheShape = { widths: [], states: [memory, convState(conv)] }
  return {
    parameters: [
      ...norm.parameters,
      ...linearParts(qkv),
      ...convParts(conv),
      ...linearParts(gate),
      ...linearParts(rates),
      decay.aLog,
      decay.dtBias,
      headNorm.gain,
      ...linearParts(output),
    ],
    cache,
    mixesTokens: true,
    kept: {
      activations: qkv.weight.columns + 2 * conv.weight.columns + 2 * heads.valueHeads + 3 * values,
      again: 0,
      float32: heads.valueHeads,
    },
    record(pass, stream, { rows }) {
      const input = norm.record(pass, stream)
      const mixed = recordConv(pass, recordLinear(pass, input, qkv, null), conv, cache)
      const recalled = recall(pass, parts, mixed, recordLinear(pass, input, rates, null), cache)
      const gated = normalise(pass, parts, recalled, recordLinear(pass, input, gate, null))
      if (!rows) return addToStream(pass, gated, output, stream, {})
      const chosen = selectRows(pass.tape, gated, rows)
      return addToStream(pass, chosen, output, selectRows(pass.tape, stream, rows), {})
    },
  }
}

/** o [M, valueHeads · valueDim] */
function recall(
  { tape, tensors, tokens: { context, positions }, options: { activation } }: ForwardPass,
  { heads, decay }: DeltaNetParts,
  qkv: Tensor,
  ba: Tensor,
  cache: CacheShape,
): Tensor {
  const given = { qkv, ba, aLog: tensors.tensor(decay.aLog), dtBias: tensors.tensor(decay.dtBias) }
  const o = { dtype: activation, shape: [qkv.shape[0], heads.valueHeads * heads.valueDim] }
  if ('starts' in context)
    return present(tape.apply('gatedDelta', { ...given, starts: context.starts }, { ...heads }, { o }).o)
  const { slots, caches } = context
  const [state] = caches.get(cache) ?? []
  return present(tape.apply('cachedGatedDelta', { ...given, slots, positions, state }, { ...heads }, { o }).o)
}

function normalise(
  { tape, tensors }: ForwardPass,
  { heads: { valueHeads }, headNorm: { gain, eps } }: DeltaNetParts,
  x: Tensor,
  gate: Tensor,
): Tensor {
  const inputs = { gain: tensors.tensor(gain), x, gate }
  const rstd = { dtype: 'float32' as const, shape: [x.shape[0], valueHeads] }
  return present(tape.apply('gatedNorm', inputs, { eps, parts: valueHeads }, { y: x, rstd }).y)
}
