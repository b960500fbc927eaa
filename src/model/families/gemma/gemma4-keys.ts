import { z } from 'zod'
import { activationName } from '../keys/activation-keys.ts'
import { commonKeys } from '../keys/every-model.ts'
import { count, flag, layerCount, number, optionalCount } from '../keys/values.ts'
import { ropeOfTypes } from '../keys/typed-ropes.ts'

/** The keys that config.json of a Gemma 4 has. */
export const gemma4Keys = z.object({
  ...commonKeys(2, 1),
  vocab_size: count(262_144),
  hidden_size: count(2304),
  intermediate_size: count(9216),
  num_hidden_layers: layerCount(30),
  num_attention_heads: count(8),
  num_key_value_heads: count(4),
  head_dim: count(256),
  hidden_activation: activationName('gelu_pytorch_tanh'),
  max_position_embeddings: count(131_072),
  rms_norm_eps: number(1e-6),
  tie_word_embeddings: flag(true),
  rope_parameters: ropeOfTypes,
  /** Of rotations that do not say it themselves. */
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().nullish(),
  attention_bias: flag(false),
  sliding_window: count(512),
  /** The last layer sees everything, whatever stands here. */
  layer_types: z.array(z.enum(['full_attention', 'sliding_attention'])).nullish(),
  final_logit_softcapping: z.number().positive().nullable().default(null),
  vocab_size_per_layer_input: count(262_144),
  /** 0: layers read nothing but the stream. */
  hidden_size_per_layer_input: z.int().nonnegative().default(256),
  attention_k_eq_v: flag(false),
  num_kv_shared_layers: z.int().nonnegative().default(0),
  use_double_wide_mlp: flag(false),
  /** Of layers that see everything; `per_layer_config` of newer files wins. */
  global_head_dim: count(512),
  num_global_key_value_heads: optionalCount(null),
  /** Whether experts stand beside the MLP of each layer. */
  enable_moe_block: flag(false),
  num_experts: optionalCount(null),
  top_k_experts: optionalCount(null),
  moe_intermediate_size: optionalCount(null),
  per_layer_config: z
    .record(
      z.string().regex(/^\d+$/, 'the number of a layer'),
      z.strictObject({
        head_dim: z.int().positive().optional(),
        num_key_value_heads: z.int().positive().optional(),
      }),
    )
    .nullish(),
})

/** `root` is what the tensors are called under. */
export type Gemma4Config = z.output<typeof gemma4Keys> & { root: string }
