import { z } from 'zod'
import type { Architecture } from '../blocks/architecture.ts'
import { tokenEmbedding } from '../blocks/embedding.ts'
import { rmsNorm } from '../blocks/norm.ts'
import { gain, matrix } from '../weights/parameters.ts'
import { activationName } from './activation-keys.ts'
import { defineFamily } from './family.ts'
import { gemma4Inputs, gemma4Layers } from './gemma4-layers.ts'
import { checkGemma4, layerShapes, ropesOfTypes } from './gemma4-shapes.ts'
import { commonKeys, count, flag, layerCount, number, optionalCount } from './keys.ts'
import { ropeOfTypes, ropeTypesWithin } from './rope-keys.ts'

const keys = z.object({
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
  per_layer_config: z
    .record(
      z.string().regex(/^\d+$/, 'the number of a layer'),
      z.strictObject({ head_dim: z.int().positive().optional(), num_key_value_heads: z.int().positive().optional() }),
    )
    .nullish(),
})

export type Gemma4Config = z.output<typeof keys>

const dense = { isHarmless: (value: unknown) => value === false, expected: 'false: layers without experts' }

/**
 * Gemma 4's text models: layers that read inputs of their own, later layers that read the keys and values of earlier ones, heads
 * of another length in layers that see everything (transformers 5.24, modeling_gemma4.py).
 */
export const gemma4 = defineFamily({
  modelType: 'gemma4_text',
  className: 'Gemma4ForCausalLM',
  keys,
  harmless: ['num_experts', 'top_k_experts', 'moe_intermediate_size'],
  unobeyed: {
    enable_moe_block: dense,
    rope_scaling: { isHarmless: (value) => value === null, expected: 'rope_parameters of each type of layers' },
    use_bidirectional_attention: {
      isHarmless: (value) => value === null || value === 'vision',
      expected: 'null or "vision": each token of a text sees those before it',
    },
  },
  within: { rope_parameters: ropeTypesWithin.rope_parameters },
  check: checkGemma4,
  describe(config): Architecture {
    const { hidden_size: width, vocab_size: rows, rms_norm_eps: eps } = config
    const table = (safetensors: string, gguf: string) =>
      matrix('matrix', width, [{ module: { safetensors, gguf }, rows }])
    const shapes = layerShapes(config, ropesOfTypes(config))
    const layerInputs = gemma4Inputs(config)
    return {
      width,
      maxPositions: config.max_position_embeddings,
      embedding: tokenEmbedding(table('model.embed_tokens', 'token_embd'), {
        factor: Math.sqrt(width),
        isRounded: true,
      }),
      ...(layerInputs && { layerInputs }),
      ...gemma4Layers(config, shapes),
      norm: rmsNorm(gain({ safetensors: 'model.norm', gguf: 'output_norm' }, width), eps),
      head: table('lm_head', 'output'),
      isTied: config.tie_word_embeddings,
      logits: { scale: 1, cap: config.final_logit_softcapping ?? 0 },
    }
  },
  gguf: null,
})
