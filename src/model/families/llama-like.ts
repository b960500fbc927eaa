import { z } from 'zod'
import { plainLogits, type Architecture, type Layer } from '../blocks/architecture.ts'
import { attention } from '../blocks/attention.ts'
import { tokenEmbedding } from '../blocks/embedding.ts'
import { gatedMlp } from '../blocks/gated-mlp.ts'
import { linear } from '../blocks/linear.ts'
import { rmsNorm } from '../blocks/norm.ts'
import type { Rope } from '../blocks/rope.ts'
import type { ModuleName } from '../weights/parameters.ts'
import { gain, matrix } from '../weights/parameters.ts'
import { interleavedHalves } from '../weights/transforms.ts'
import type { KeyProblem } from './keys.ts'
import { commonKeys, count, flag, number, optionalCount } from './keys.ts'
import { checkRope, ropeKeys, ropeOf } from './rope-keys.ts'

/** A window beyond every sequence is none; engines count up to there. */
const farthest = 2 ** 30

/** More than any model has: without weights beside it, nothing else bounds the layers of a config.json. */
const mostLayers = 10_000

/** The keys that config.json of a Llama and of its many relatives has, with the defaults of the class that writes it. */
export const llamaKeys = (defaults: {
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  layers: number
  heads: number
  /** null: as many as heads. */
  keyHeads: number | null
  maxPositions: number
  normEps?: number
  tied?: boolean
  bos: number | null
  eos: number | null
}) =>
  z.object({
    ...commonKeys(defaults.bos, defaults.eos),
    ...ropeKeys,
    vocab_size: count(defaults.vocabSize),
    hidden_size: count(defaults.hiddenSize),
    intermediate_size: count(defaults.intermediateSize),
    num_hidden_layers: z.int().positive().max(mostLayers).default(defaults.layers),
    num_attention_heads: count(defaults.heads),
    num_key_value_heads: optionalCount(defaults.keyHeads),
    /** null: hidden_size / heads. */
    head_dim: optionalCount(null),
    max_position_embeddings: count(defaults.maxPositions),
    rms_norm_eps: number(defaults.normEps ?? 1e-6),
    hidden_act: z.enum(['silu', 'swish']).default('silu'),
    tie_word_embeddings: flag(defaults.tied ?? false),
    /** `attention` is what older files call `full_attention`. */
    layer_types: z.array(z.enum(['full_attention', 'sliding_attention', 'attention'])).nullish(),
  })

export type LlamaConfig = z.output<ReturnType<typeof llamaKeys>>

/** What the relatives' layers have that Llama's do not, or the other way round. */
export interface LlamaLayerOptions {
  /** Which projections have a bias; default none. */
  biases?: { qkv?: boolean; output?: boolean; mlp?: boolean }
  /** Norms of each query and key head. */
  headNorms?: boolean
  /** How many tokens back it sees; default 0: all. */
  window?: number | null
  /** Whether queries and keys are rotated by their positions (default). */
  rotates?: boolean
  /** Whether GGUF files have the two halves of each query and key head interleaved. */
  ggufInterleaves?: boolean
}

/** Root mean square norms, rotated grouped heads and a gated MLP. */
export function llamaLike(
  config: LlamaConfig,
  optionsOf: (layer: number) => LlamaLayerOptions,
): Architecture {
  const { vocab_size: vocabSize, hidden_size: width, rms_norm_eps: eps } = config
  const rope = ropeOf(config, headsOf(config).headDim)
  const table = (module: ModuleName) => matrix('matrix', width, [{ module, rows: vocabSize }])
  return {
    width,
    maxPositions: config.max_position_embeddings,
    embedding: tokenEmbedding(table({ safetensors: 'model.embed_tokens', gguf: 'token_embd' })),
    layers: Array.from({ length: config.num_hidden_layers }, (_, layer) =>
      llamaLayer(config, rope, layer, optionsOf(layer)),
    ),
    norm: rmsNorm(gain({ safetensors: 'model.norm', gguf: 'output_norm' }, width), eps),
    head: table({ safetensors: 'lm_head', gguf: 'output' }),
    isTied: config.tie_word_embeddings,
    logits: plainLogits,
  }
}

/**
 * What is wrong with heads, rotation and layer types together.
 *
 * @param window  of the layers whose type is `sliding_attention`; null: such a layer cannot be computed
 */
export function checkLlama(config: LlamaConfig, window: number | null): KeyProblem[] {
  const { num_attention_heads: heads, num_hidden_layers: layers, layer_types: types } = config
  const { keyHeads, headDim } = headsOf(config)
  const isAny = types?.includes('sliding_attention') === true
  return [
    ...(heads % keyHeads === 0
      ? []
      : [{ key: 'num_key_value_heads', expected: `a divisor of num_attention_heads, ${heads}` }]),
    ...(headDim >= 2 && headDim % 2 === 0
      ? []
      : [
          config.head_dim
            ? { key: 'head_dim', expected: 'an even number' }
            : { key: 'hidden_size', expected: `an even multiple of num_attention_heads, ${heads}` },
        ]),
    ...(types && types.length !== layers
      ? [{ key: 'layer_types', expected: `a type for each of num_hidden_layers, ${layers}` }]
      : []),
    ...(isAny && window === null
      ? [{ key: 'layer_types', expected: 'full_attention: there is no sliding_window' }]
      : []),
    ...(window === 0 ? [{ key: 'sliding_window', expected: 'a number from 1, or null' }] : []),
    ...checkRope(config),
  ]
}

function headsOf({ num_attention_heads: heads, num_key_value_heads, head_dim, hidden_size }: LlamaConfig) {
  return {
    queryHeads: heads,
    keyHeads: num_key_value_heads ?? heads,
    headDim: head_dim ?? Math.floor(hidden_size / heads),
  }
}

function llamaLayer(
  config: LlamaConfig,
  rope: Rope,
  layer: number,
  { biases = {}, headNorms = false, window = null, rotates = true, ggufInterleaves }: LlamaLayerOptions,
): Layer {
  const { hidden_size: width, intermediate_size: inner, rms_norm_eps: eps } = config
  const { queryHeads, keyHeads, headDim } = headsOf(config)
  const named = (safetensors: string, gguf: string): ModuleName => ({
    safetensors: `model.layers.${layer}.${safetensors}`,
    gguf: `blk.${layer}.${gguf}`,
  })
  const ggufTransform = ggufInterleaves ? interleavedHalves(headDim) : undefined
  return [
    attention({
      shape: {
        queryHeads,
        keyHeads,
        headDim,
        window: Math.min(window ?? 0, farthest),
        rope: rotates ? rope : null,
      },
      scale: headDim ** -0.5,
      norm: rmsNorm(gain(named('input_layernorm', 'attn_norm'), width), eps),
      qkv: linear(
        width,
        [
          { module: named('self_attn.q_proj', 'attn_q'), rows: queryHeads * headDim, ggufTransform },
          { module: named('self_attn.k_proj', 'attn_k'), rows: keyHeads * headDim, ggufTransform },
          { module: named('self_attn.v_proj', 'attn_v'), rows: keyHeads * headDim },
        ],
        biases.qkv ?? false,
      ),
      headNorms: headNorms
        ? {
            query: gain(named('self_attn.q_norm', 'attn_q_norm'), headDim),
            key: gain(named('self_attn.k_norm', 'attn_k_norm'), headDim),
            eps,
          }
        : null,
      output: linear(
        queryHeads * headDim,
        [{ module: named('self_attn.o_proj', 'attn_output'), rows: width }],
        biases.output ?? false,
      ),
    }),
    gatedMlp({
      norm: rmsNorm(gain(named('post_attention_layernorm', 'ffn_norm'), width), eps),
      gateUp: linear(
        width,
        [
          { module: named('mlp.gate_proj', 'ffn_gate'), rows: inner },
          { module: named('mlp.up_proj', 'ffn_up'), rows: inner },
        ],
        biases.mlp ?? false,
      ),
      down: linear(inner, [{ module: named('mlp.down_proj', 'ffn_down'), rows: width }], biases.mlp ?? false),
    }),
  ]
}
