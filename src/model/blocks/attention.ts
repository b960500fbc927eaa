import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import type { Block } from './architecture.ts'
import type { AttentionShape } from './attention-shape.ts'
import type { CacheShape } from './cache-shape.ts'
import type { ForwardPass } from './forward-pass.ts'
import type { LayerPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'
import type { Residual } from './residual.ts'
import type { Rope } from './rope.ts'
import { addToStream, residualParts } from './residual.ts'
import { selectRows } from './select-rows.ts'

/** What attention is made of; parts that a family does without are null. */
export interface AttentionParts {
  shape: AttentionShape
  /** Before the projections. */
  norm: Norm
  /** Queries, keys and values, in this order; without values they are the keys, without keys those of `keysOf`. */
  qkv: Linear
  /** Beside each head's query stands a gate: what it attends to is multiplied by its sigmoid. */
  hasGates?: boolean
  headNorms: HeadNorms | null
  /** What an earlier block with heads of the same length remembers: its keys and values are read, too. */
  keysOf?: CacheShape | undefined
  output: Linear
  residual?: Residual
  /** Of the scores q · k. */
  scale: number
  /** Bound of the scores, by tanh; default none. */
  cap?: number
  /** A score a head that takes part in the softmax and has no value. */
  sinks?: Parameter | undefined
}

/** RMS norms of queries and keys before they are rotated: of each head, or of all heads together. */
export interface HeadNorms {
  query: Parameter
  /** null: there are no keys. */
  key: Parameter | null
  eps: number
  together?: boolean
  /** Values are normalised, too, without a gain; default no. */
  values?: boolean
}

/**
 * x + o(attention(rope(qkv(norm(x))))).
 * Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped heads: Ainslie et al. 2023,
 * https://arxiv.org/abs/2305.13245
 */
export function attention(parts: AttentionParts): Block {
  const { shape, norm, qkv, hasGates, headNorms, keysOf, output, sinks, residual = {} } = parts
  const { queryHeads, keyHeads, headDim } = shape
  const qkvWidth = (queryHeads + 2 * keyHeads) * headDim
  const added = residualParts(output, qkv.weight.columns, residual)
  // Keys, and values.
  const cache: CacheShape = keysOf ?? { widths: [keyHeads * headDim, keyHeads * headDim] }
  return {
    parameters: [
      ...norm.parameters,
      ...linearParts(qkv),
      ...(headNorms ? [headNorms.query] : []),
      ...(headNorms?.key ? [headNorms.key] : []),
      ...(sinks ? [sinks] : []),
      ...added.parameters,
    ],
    attention: shape,
    cache,
    mixesTokens: true,
    kept: {
      activations:
        qkv.weight.columns +
        (headNorms ? rowCount(qkv.weight) : 0) +
        qkvWidth +
        queryHeads * headDim * (hasGates ? 2 : 1) +
        added.kept,
      again: 0,
      float32: queryHeads + added.float32,
    },
    record(pass, stream, { rows }) {
      const projected = recordLinear(pass, norm.record(pass, stream), qkv, null)
      const split = hasGates ? splitGates(pass, shape, projected) : { qkv: projected }
      const turned = rotate(pass, parts, normaliseHeads(pass, parts, split.qkv))
      const rotated = keysOf ? joinKeys(pass, shape, turned, keysOf) : turned
      pass.keyValues.set(cache, rotated)
      const attended = multiplyByGate(pass, attend(pass, parts, rotated, cache), split.gate)
      if (!rows) return addToStream(pass, attended, output, stream, residual)
      const chosen = selectRows(pass.tape, attended, rows)
      return addToStream(pass, chosen, output, selectRows(pass.tape, stream, rows), residual)
    },
  }
}

function splitGates(
  { tape, options: { activation } }: ForwardPass,
  { queryHeads: heads, keyHeads, headDim }: AttentionShape,
  x: Tensor,
): { qkv: Tensor; gate?: Tensor } {
  const rest = 2 * keyHeads * headDim
  const columns = (count: number) => ({ dtype: activation, shape: [x.shape[0], count] })
  const { y, gate } = tape.apply(
    'splitGates',
    { x },
    { headDim, heads, rest },
    { y: columns(heads * headDim + rest), gate: columns(heads * headDim) },
  )
  return { qkv: present(y), gate: present(gate) }
}

function multiplyByGate({ tape }: ForwardPass, x: Tensor, gate: Tensor | undefined): Tensor {
  return gate ? present(tape.apply('sigmoidGate', { x, gate }, {}, { y: x }).y) : x
}

function normaliseHeads(
  { tape, tensors }: ForwardPass,
  { shape: { queryHeads, keyHeads, headDim }, headNorms }: AttentionParts,
  qkv: Tensor,
): Tensor {
  if (!headNorms) return qkv
  const { query, key, eps, together, values = false } = headNorms
  const [queryParts, keyParts] = together ? [1, 1] : [queryHeads, keyHeads]
  const [count, given] = qkv.shape
  const keyWidth = key ? keyHeads * headDim : 0
  const widths = {
    queryParts,
    queryWidth: (queryHeads * headDim) / queryParts,
    keyParts: key ? keyParts : 0,
    keyWidth: keyWidth / keyParts,
    valueWidth: keyWidth,
    valueParts: values && key ? keyHeads : 0,
    givenWidth: given - queryHeads * headDim - keyWidth,
  }
  const { y } = tape.apply(
    'qkNorm',
    { qkv, qGain: tensors.tensor(query), kGain: key && tensors.tensor(key) },
    { eps, ...widths },
    {
      y: { dtype: qkv.dtype, shape: [count, queryHeads * headDim + 2 * keyWidth] },
      rstd: { dtype: 'float32', shape: [count, queryParts + widths.keyParts + widths.valueParts] },
    },
  )
  return present(y)
}

/** Queries beside the keys and values of an earlier block, which are normalised and rotated already. */
function joinKeys(
  { tape, keyValues }: LayerPass,
  { keyHeads, headDim }: AttentionShape,
  queries: Tensor,
  keysOf: CacheShape,
): Tensor {
  const from = keyValues.get(keysOf)
  if (!from) throw new Error('keys are read of a block that comes later')
  const width = 2 * keyHeads * headDim
  const [count, own] = queries.shape
  const y = { dtype: queries.dtype, shape: [count, own + width] }
  const attributes = { first: from.shape[1] - width, width }
  return present(tape.apply('joinColumns', { x: queries, from }, attributes, { y }).y)
}

function rotate(pass: ForwardPass, { shape, keysOf }: AttentionParts, qkv: Tensor): Tensor {
  const { queryHeads, keyHeads, rope, queryRope } = shape
  if (!rope) return qkv
  const own = keysOf ? 0 : keyHeads
  if (!queryRope) return rotateHeads(pass, shape, rope, qkv, 0, queryHeads + own)
  const turned = rotateHeads(pass, shape, queryRope, qkv, 0, queryHeads)
  return own === 0 ? turned : rotateHeads(pass, shape, rope, turned, queryHeads, own)
}

function rotateHeads(
  { tape, tensors, tokens: { positions } }: ForwardPass,
  { headDim }: AttentionShape,
  rope: Rope,
  qkv: Tensor,
  firstHead: number,
  heads: number,
): Tensor {
  const { cos, sin } = tensors.rotation(rope)
  const attributes = { headDim, rotaryDim: 2 * cos.shape[1], firstHead, heads }
  return present(tape.apply('rope', { qkv, positions, cos, sin }, attributes, { y: qkv }).y)
}

/** o [M, queryHeads · headDim] */
function attend(
  { tape, tensors, tokens: { context, positions }, options: { activation } }: ForwardPass,
  { shape: { queryHeads, keyHeads, headDim, window }, scale, cap = 0, sinks: parameter }: AttentionParts,
  qkv: Tensor,
  cache: CacheShape,
): Tensor {
  const attributes = { headDim, queryHeads, keyHeads, scale, cap, window }
  const sinks = parameter ? tensors.tensor(parameter) : null
  if ('starts' in context) {
    const { starts, copies } = context
    const whole = copies ? selectRows(tape, qkv, copies.of) : qkv
    const o = { dtype: activation, shape: [whole.shape[0], queryHeads * headDim] }
    const lse = { dtype: 'float32' as const, shape: [whole.shape[0], queryHeads] }
    const attended = present(tape.apply('attention', { qkv: whole, starts, sinks }, attributes, { o, lse }).o)
    return copies ? selectRows(tape, attended, copies.places) : attended
  }
  const o = { dtype: activation, shape: [qkv.shape[0], queryHeads * headDim] }
  const { slots, caches } = context
  const [keyCache, valueCache] = caches.get(cache) ?? []
  const inputs = { qkv, slots, positions, keyCache, valueCache, sinks }
  return present(tape.apply('cachedAttention', inputs, attributes, { o }).o)
}
