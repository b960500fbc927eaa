import { z } from 'zod'
import { plainLogits, type Layer } from '../blocks/architecture.ts'
import { attention } from '../blocks/attention.ts'
import { causalConv } from '../blocks/causal-conv.ts'
import { tokenEmbedding } from '../blocks/embedding.ts'
import { gatedMlp } from '../blocks/gated-mlp.ts'
import { linear } from '../blocks/linear.ts'
import { rmsNorm } from '../blocks/norm.ts'
import type { Rope } from '../blocks/rope.ts'
import { shortConv } from '../blocks/short-conv.ts'
import { gain, matrix, type ModuleName } from '../weights/parameters.ts'
import { defineFamily } from './family.ts'
import { integers, real, ropeMetadata, whole } from './gguf-metadata.ts'
import { commonKeys, count, flag, layerCount, number } from './keys.ts'
import { checkLlama } from './llama-keys.ts'
import { ropeKeys, ropeOf } from './rope-keys.ts'

const keys = z.object({
  ...commonKeys(1, 2),
  ...ropeKeys,
  vocab_size: count(65536),
  hidden_size: count(2560),
  intermediate_size: count(12288),
  /** What older files call it; wins. */
  block_ff_dim: z.int().positive().optional(),
  num_hidden_layers: layerCount(32),
  num_attention_heads: count(32),
  num_key_value_heads: count(8),
  /** Not a key of the class, which obeys it all the same. */
  head_dim: z.int().positive().optional(),
  max_position_embeddings: count(128_000),
  norm_eps: number(1e-5),
  tie_word_embeddings: flag(true),
  /** What older files call it; wins. */
  tie_embedding: z.boolean().optional(),
  conv_bias: flag(false),
  conv_L_cache: count(3),
  block_multiple_of: count(256),
  block_ffn_dim_multiplier: z.number().positive().default(1),
  block_auto_adjust_ff_dim: flag(true),
  layer_types: z.array(z.enum(['conv', 'full_attention'])).nullish(),
  /** Which layers attend, where there are no layer_types; null: all. */
  full_attn_idxs: z.array(z.int()).nullish(),
})

type Lfm2Config = z.output<typeof keys>

/** Nothing reads them, the class of transformers neither. */
const harmless = [
  'block_dim block_norm_eps block_mlp_init_scale block_out_init_scale block_use_swiglu block_use_xavier_init',
  'conv_dim conv_dim_out conv_use_xavier_init num_heads use_pos_enc theta',
].flatMap((names) => names.split(' '))

/** LFM2: most layers mix tokens by short convolutions between gates, the others attend (https://arxiv.org/abs/2511.23404). */
export const lfm2 = defineFamily({
  modelType: 'lfm2',
  className: 'Lfm2ForCausalLM',
  classifierName: null,
  keys,
  harmless,
  check: (config) => [
    ...checkLlama(llamaConfig(config), null),
    ...(config.layer_types && config.layer_types.length !== config.num_hidden_layers
      ? [
          {
            key: 'layer_types',
            expected: `a type for each of num_hidden_layers, ${config.num_hidden_layers}`,
          },
        ]
      : []),
    ...(innerOf(config) >= 1 ? [] : [{ key: 'block_ffn_dim_multiplier', expected: 'a width of 1 or more' }]),
  ],
  describe(config) {
    const { hidden_size: width, vocab_size: rows } = config
    const table = (module: ModuleName) => matrix('matrix', width, [{ module, rows }])
    const rope = ropeOf(config, headDimOf(config), { theta: 1_000_000 })
    return {
      width,
      maxPositions: config.max_position_embeddings,
      embedding: tokenEmbedding(table({ safetensors: 'model.embed_tokens', gguf: 'token_embd' })),
      layers: Array.from({ length: config.num_hidden_layers }, (_, layer) => lfm2Layer(config, layer, rope)),
      norm: rmsNorm(
        gain({ safetensors: 'model.embedding_norm', gguf: 'token_embd_norm' }, width),
        config.norm_eps,
      ),
      head: table({ safetensors: 'lm_head', gguf: 'output' }),
      isTied: config.tie_embedding ?? config.tie_word_embeddings,
      logits: plainLogits,
    }
  },
  gguf: {
    architecture: 'lfm2',
    obeys: ['shortconv.l_cache'],
    metadata: (values) => {
      const { 'attention.head_count_kv': keyHeads, 'shortconv.l_cache': taps } = values
      return {
        norm_eps: values['attention.layer_norm_rms_epsilon'],
        conv_L_cache: taps,
        // The file has the width itself.
        block_auto_adjust_ff_dim: false,
        ...(Array.isArray(keyHeads) && {
          layer_types: keyHeads.map((count) => (count > 0 ? 'full_attention' : 'conv')),
        }),
      }
    },
    write: (config) => ({
      block_count: whole(config.num_hidden_layers),
      context_length: whole(config.max_position_embeddings),
      embedding_length: whole(config.hidden_size),
      feed_forward_length: whole(innerOf(config)),
      'attention.head_count': whole(config.num_attention_heads),
      'attention.head_count_kv': integers(
        Array.from({ length: config.num_hidden_layers }, (_, layer) =>
          attends(config, layer) ? config.num_key_value_heads : 0,
        ),
      ),
      ...ropeMetadata(config, headDimOf(config), { theta: 1_000_000 }),
      'attention.layer_norm_rms_epsilon': real(config.norm_eps),
      vocab_size: whole(config.vocab_size),
      'shortconv.l_cache': whole(config.conv_L_cache),
    }),
    lost: (config) => [
      ...(config.conv_bias ? [{ key: 'conv_bias', expected: 'false, as llama.cpp computes' }] : []),
      ...(headDimOf(config) * config.num_attention_heads === config.hidden_size
        ? []
        : [{ key: 'head_dim', expected: 'hidden_size / num_attention_heads' }]),
    ],
  },
})

function llamaConfig(config: Lfm2Config) {
  return {
    ...config,
    head_dim: config.head_dim ?? null,
    rms_norm_eps: config.norm_eps,
    layer_types: null,
  }
}

function headDimOf({ head_dim, hidden_size, num_attention_heads }: Lfm2Config): number {
  return head_dim ?? Math.floor(hidden_size / num_attention_heads)
}

/** Width of the MLP: two thirds of what the file says, rounded up. */
function innerOf(config: Lfm2Config): number {
  const { block_multiple_of: multiple } = config
  const inner = config.block_ff_dim ?? config.intermediate_size
  if (!config.block_auto_adjust_ff_dim) return inner
  const scaled = Math.trunc(config.block_ffn_dim_multiplier * Math.trunc((2 * inner) / 3))
  return multiple * Math.ceil(scaled / multiple)
}

function attends({ layer_types, full_attn_idxs }: Lfm2Config, layer: number): boolean {
  if (layer_types) return layer_types[layer] === 'full_attention'
  return full_attn_idxs ? full_attn_idxs.includes(layer) : true
}

function lfm2Layer(config: Lfm2Config, layer: number, rope: Rope): Layer {
  const {
    hidden_size: width,
    norm_eps: eps,
    conv_bias,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
  } = config
  const headDim = headDimOf(config)
  const inner = innerOf(config)
  const named = (safetensors: string, gguf: string): ModuleName => ({
    safetensors: `model.layers.${layer}.${safetensors}`,
    gguf: `blk.${layer}.${gguf}`,
  })
  const headGain = (name: string, gguf: string) => gain(named(`self_attn.${name}`, gguf), headDim)
  const norm = rmsNorm(gain(named('operator_norm', 'attn_norm'), width), eps)
  const [queries, keyWidth] = [heads * headDim, keyHeads * headDim]
  const mixer = attends(config, layer)
    ? attention({
        shape: { queryHeads: heads, keyHeads, headDim, window: 0, rope },
        scale: headDim ** -0.5,
        norm,
        qkv: linear(
          width,
          [
            { module: named('self_attn.q_proj', 'attn_q'), rows: queries },
            { module: named('self_attn.k_proj', 'attn_k'), rows: keyWidth },
            { module: named('self_attn.v_proj', 'attn_v'), rows: keyWidth },
          ],
          false,
        ),
        headNorms: {
          query: headGain('q_layernorm', 'attn_q_norm'),
          key: headGain('k_layernorm', 'attn_k_norm'),
          eps,
        },
        output: linear(queries, [{ module: named('self_attn.out_proj', 'attn_output'), rows: width }], false),
      })
    : shortConv({
        norm,
        input: linear(
          width,
          [{ module: named('conv.in_proj', 'shortconv.in_proj'), rows: 3 * width }],
          conv_bias,
        ),
        conv: causalConv(named('conv.conv', 'shortconv.conv'), {
          channels: width,
          taps: config.conv_L_cache,
          hasBias: conv_bias,
          silu: false,
          parts: 3,
        }),
        output: linear(
          width,
          [{ module: named('conv.out_proj', 'shortconv.out_proj'), rows: width }],
          conv_bias,
        ),
      })
  return [
    mixer,
    gatedMlp({
      norm: rmsNorm(gain(named('ffn_norm', 'ffn_norm'), width), eps),
      gateUp: linear(
        width,
        [
          { module: named('feed_forward.w1', 'ffn_gate'), rows: inner },
          { module: named('feed_forward.w3', 'ffn_up'), rows: inner },
        ],
        false,
      ),
      down: linear(inner, [{ module: named('feed_forward.w2', 'ffn_down'), rows: width }], false),
    }),
  ]
}
