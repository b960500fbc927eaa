import type { Tape } from '../../engine/tape.ts'
import type { DType, Tensor } from '../../engine/tensor.ts'
import type { ModelConfig } from './config.ts'
import type { Recomputation } from '../passes/recompute.ts'

/** A (stacked) projection and what is added to it. */
export interface LinearParameters {
  /** [N, K] */
  weight: Tensor
  /** [N] */
  bias: Tensor | null
  lora: { a: Tensor; b: Tensor; dropout: number; totalRank: number } | null
  /** Output rows, LoRA rank and LoRA scaling of each stacked projection, one after the other. */
  segments: readonly number[]
}

/** A norm's gain; `invertible` when none of its values is zero and it is not trained. */
export interface NormParameters {
  gain: Tensor
  invertible: boolean
}

export interface LayerParameters {
  attentionNorm: NormParameters
  qkv: LinearParameters
  qNorm?: NormParameters
  kNorm?: NormParameters
  output: LinearParameters
  mlpNorm: NormParameters
  gateUp: LinearParameters
  down: LinearParameters
}

export interface DecoderParameters {
  embed: Tensor
  layers: LayerParameters[]
  norm: NormParameters
  head: Tensor
  /** Adds zero to the stream, and so gets the gradient of single rows of `embed`; see token-rows.ts. */
  rowProbe?: { indicator: Tensor; weight: Tensor }
  /** Rotation tables [positions, rotaryDim / 2]. */
  cos: Tensor
  sin: Tensor
}

/** What every token brings along; M tokens. */
export interface TokenInputs {
  ids: Tensor
  positions: Tensor
  /** How attention finds the earlier tokens: in the same batch, or in a cache. */
  context: { starts: Tensor } | { slots: Tensor; keys: readonly Tensor[]; values: readonly Tensor[] }
  /** Those of the tokens that something is read of; without it all. */
  rows?: Tensor
}

/** How one forward pass is computed. */
export interface PassOptions {
  activation: DType
  /** int32 [1]; null: no dropout. */
  dropoutSeed: Tensor | null
  /** Rounds what meets an int8 weight to 8 bits, too. */
  int8Activations: boolean
  recomputation: Recomputation
}

/**
 * Embedding and decoder layers: the residual stream float32 of all tokens, or of those that `rows` lists, before the final
 * norm. Of the others the last layer computes nothing but what attention takes from them.
 */
export function decode(
  tape: Tape,
  config: ModelConfig,
  parameters: DecoderParameters,
  tokens: TokenInputs,
  options: PassOptions,
): Tensor {
  const count = tokens.ids.shape[0]
  const { y } = tape.apply(
    'embedding',
    { ids: tokens.ids, table: parameters.embed },
    {},
    { y: { dtype: 'float32', shape: [count, config.hiddenSize] } },
  )
  let stream = present(y)
  if (parameters.rowProbe) stream = addRowProbe(tape, stream, tokens.ids, parameters.rowProbe)
  parameters.layers.forEach((layer, index) => {
    const compute = () => decodeLayer(tape, config, layer, parameters, tokens, stream, index, options)
    stream = index < options.recomputation.wholeLayers ? tape.recomputed(compute) : compute()
  })
  return stream
}

/** stream + indicator[ids] · weightᵀ: the rows of a zero weight, for the sake of its gradient. */
function addRowProbe(
  tape: Tape,
  stream: Tensor,
  ids: Tensor,
  { indicator, weight }: { indicator: Tensor; weight: Tensor },
): Tensor {
  const [width, rows] = weight.shape
  const shape = [ids.shape[0], rows]
  const { y: x } = tape.apply('embedding', { ids, table: indicator }, {}, { y: { dtype: 'float32', shape } })
  const { y } = tape.apply(
    'linear',
    { x, weight, bias: null, residual: stream, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [width, 0, 0] },
    { y: { dtype: 'float32', shape: stream.shape }, t: null },
  )
  return present(y)
}

/**
 * x + o(attention(rope(qkv(norm(x))))), then x + down(swiglu(gateUp(norm(x)))).
 * Source: Touvron et al. 2023, https://arxiv.org/abs/2302.13971
 */
function decodeLayer(
  tape: Tape,
  config: ModelConfig,
  layer: LayerParameters,
  parameters: DecoderParameters,
  tokens: TokenInputs,
  stream: Tensor,
  index: number,
  options: PassOptions,
): Tensor {
  const { headDim, headCount: queryHeads, keyHeadCount: keyHeads } = config
  const seed = (part: number) => index * 4 + part

  const attentionInput = normalise(tape, stream, layer.attentionNorm, config, options.activation)
  let qkv = linear(tape, attentionInput, layer.qkv, null, options, seed(0))
  if (layer.qNorm && layer.kNorm) {
    const normed = tape.apply(
      'qkNorm',
      { qkv, qGain: layer.qNorm.gain, kGain: layer.kNorm.gain },
      { eps: config.normEps, headDim, queryHeads, keyHeads },
      { y: qkv, rstd: { dtype: 'float32', shape: [qkv.shape[0], queryHeads + keyHeads] } },
    )
    qkv = present(normed.y)
  }
  const { cos, sin } = parameters
  const rotated = tape.apply(
    'rope',
    { qkv, positions: tokens.positions, cos, sin },
    { headDim, rotaryDim: 2 * cos.shape[1], heads: queryHeads + keyHeads },
    { y: qkv },
  )
  qkv = present(rotated.y)

  const attributes = { headDim, queryHeads, keyHeads, scale: headDim ** -0.5, window: config.windows[index] }
  const o = { dtype: options.activation, shape: [qkv.shape[0], queryHeads * headDim] }
  const { context } = tokens
  const attended =
    'starts' in context
      ? tape.apply('attention', { qkv, starts: context.starts }, attributes, {
          o,
          lse: { dtype: 'float32', shape: [qkv.shape[0], queryHeads] },
        })
      : tape.apply(
          'cachedAttention',
          {
            qkv,
            slots: context.slots,
            positions: tokens.positions,
            keyCache: context.keys[index],
            valueCache: context.values[index],
          },
          attributes,
          { o },
        )
  let output = present(attended.o)
  let residual = stream
  if (tokens.rows && index === config.layerCount - 1) {
    output = selectRows(tape, output, tokens.rows)
    residual = selectRows(tape, stream, tokens.rows)
  }
  const afterAttention = linear(tape, output, layer.output, residual, options, seed(1))

  const mlpInput = normalise(tape, afterAttention, layer.mlpNorm, config, options.activation)
  const gated = () => {
    const gateUp = linear(tape, mlpInput, layer.gateUp, null, options, seed(2))
    const { y } = tape.apply(
      'swiglu',
      { gateUp },
      {},
      { y: { dtype: options.activation, shape: [gateUp.shape[0], config.intermediateSize] } },
    )
    return linear(tape, present(y), layer.down, afterAttention, options, seed(3))
  }
  const { wholeLayers, gatedLayers } = options.recomputation
  return index < wholeLayers + gatedLayers ? tape.recomputed(gated) : gated()
}

/** RMS norm of the residual stream in the compute type. */
export function normalise(
  tape: Tape,
  x: Tensor,
  { gain, invertible }: NormParameters,
  { normEps: eps }: ModelConfig,
  activation: DType,
): Tensor {
  const { y } = tape.apply(
    'rmsNorm',
    { x, gain },
    { eps, fromOutput: invertible ? 1 : 0 },
    { y: { dtype: activation, shape: x.shape }, rstd: { dtype: 'float32', shape: [x.shape[0]] } },
  )
  return present(y)
}

/** Chosen rows of the residual stream; without `rows` all of them. */
export function selectRows(tape: Tape, x: Tensor, rows: Tensor): Tensor {
  const shape = [rows.shape[0], x.shape[1]]
  return present(tape.apply('selectRows', { x, rows }, {}, { y: { dtype: x.dtype, shape } }).y)
}

/** Logits [m, vocabulary] float32 of normalised hidden states. */
export function headLogits(tape: Tape, hidden: Tensor, head: Tensor): Tensor {
  const rows = head.shape[0]
  const { y } = tape.apply(
    'linear',
    { x: hidden, weight: head, bias: null, residual: null, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [rows, 0, 0] },
    { y: { dtype: 'float32', shape: [hidden.shape[0], rows] }, t: null },
  )
  return present(y)
}

function linear(
  tape: Tape,
  x: Tensor,
  { weight, bias, lora, segments }: LinearParameters,
  residual: Tensor | null,
  options: PassOptions,
  seed: number,
): Tensor {
  const [count] = x.shape
  const { y } = tape.apply(
    'linear',
    {
      x,
      weight,
      bias,
      residual,
      loraA: lora?.a ?? null,
      loraB: lora?.b ?? null,
      dropoutSeed: lora && options.dropoutSeed,
    },
    {
      float32Output: residual ? 1 : 0,
      dropout: options.dropoutSeed ? (lora?.dropout ?? 0) : 0,
      seed,
      int8Activations: options.int8Activations ? 1 : 0,
      segments,
    },
    {
      y: { dtype: residual ? 'float32' : options.activation, shape: [count, weight.shape[0]] },
      t: lora && { dtype: options.activation, shape: [count, lora.totalRank] },
    },
  )
  return present(y)
}

function present(tensor: Tensor | null): Tensor {
  if (!tensor) throw new Error('an op was recorded without the output that is read')
  return tensor
}
