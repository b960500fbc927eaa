import { z } from 'zod'
import { commonKeys } from '../keys/every-model.ts'
import { checkLayerTypes, checkLlama, type LlamaConfig } from '../keys/llama-keys.ts'
import { ropeKeys } from '../keys/rope-keys.ts'
import { count, flag, layerCount, number, unless, type KeyProblem } from '../keys/values.ts'

/** The keys that config.json of an LFM2 has. */
export const lfm2Keys = z.object({
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

export type Lfm2Config = z.output<typeof lfm2Keys>

/** Nothing reads them, the class of transformers neither. */
export const lfm2Harmless = [
  'block_dim block_norm_eps block_mlp_init_scale block_out_init_scale block_use_swiglu block_use_xavier_init',
  'conv_dim conv_dim_out conv_use_xavier_init num_heads use_pos_enc theta',
].flatMap((names) => names.split(' '))

/** What is wrong with several keys together. */
export function checkLfm2(config: Lfm2Config): KeyProblem[] {
  return [
    ...checkLlama(asLlama(config), null),
    ...checkLayerTypes(config),
    ...unless(innerOf(config) >= 1, 'block_ffn_dim_multiplier', 'a width of 1 or more'),
  ]
}

/** The same under a Llama's names. */
export function asLlama<Config extends Lfm2Config>(config: Config) {
  return {
    ...config,
    intermediate_size: innerOf(config),
    head_dim: config.head_dim ?? null,
    rms_norm_eps: config.norm_eps,
    tie_word_embeddings: config.tie_embedding ?? config.tie_word_embeddings,
    layer_types: null,
  } satisfies LlamaConfig
}

/** Width of the MLP: two thirds of what the file says, rounded up. */
function innerOf(config: Lfm2Config): number {
  const { block_multiple_of: multiple } = config
  const inner = config.block_ff_dim ?? config.intermediate_size
  if (!config.block_auto_adjust_ff_dim) return inner
  const scaled = Math.trunc(config.block_ffn_dim_multiplier * Math.trunc((2 * inner) / 3))
  return multiple * Math.ceil(scaled / multiple)
}

/** Whether a layer attends; the others have a convolution. */
export function attends({ layer_types, full_attn_idxs }: Lfm2Config, layer: number): boolean {
  if (layer_types) return layer_types[layer] === 'full_attention'
  return full_attn_idxs ? full_attn_idxs.includes(layer) : true
}
