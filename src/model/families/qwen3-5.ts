import { z } from 'zod'
import { isOneOf, type ForeignKeys } from '../../formats/foreign/index.ts'
import { onePlus } from '../weights/transforms.ts'
import { defineFamily } from './family.ts'
import { flags, integers, llamaMetadata, whole } from './gguf-metadata.ts'
import { count, flag } from './keys.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { memoryMetadata, qwen35Gguf, qwen35Memory } from './qwen3-5-memory.ts'
import { ropeOf, ropeParameters, ropeWithin } from './rope-keys.ts'

const keys = llamaKeys({
  vocabSize: 248_320,
  hiddenSize: 4096,
  intermediateSize: 12288,
  layers: 32,
  heads: 16,
  keyHeads: 4,
  maxPositions: 32768,
  bos: null,
  eos: null,
}).extend({
  head_dim: count(256),
  rope_parameters: ropeParameters.extend({ mrope_section: z.array(z.int()).nullish() }).nullish(),
  num_key_value_heads: count(4),
  attention_bias: flag(false),
  partial_rotary_factor: z.number().nullable().default(0.25),
  linear_conv_kernel_dim: count(4),
  linear_key_head_dim: count(128),
  linear_value_head_dim: count(128),
  linear_num_key_heads: count(16),
  linear_num_value_heads: count(32),
  layer_types: z.array(z.enum(['linear_attention', 'full_attention'])).nullish(),
  /** Where there are no layer_types, every so many layers one attends. */
  full_attention_interval: z
    .int()
    .refine((interval) => interval !== 0, 'another number than 0')
    .nullable()
    .default(4),
})

type Qwen35Config = z.output<typeof keys>

const rotary = { isPartial: true }

/** Text has one position where pictures have three: sections of a head for each of them change nothing. */
const rope: ForeignKeys = {
  ...ropeWithin['rope_parameters'],
  harmless: ['finetuned', 'mrope_section', 'mrope_interleaved'],
}

/**
 * Qwen3.5's text models: three of four layers have a memory that is written by the gated delta rule, the others attend with
 * gates (https://huggingface.co/Qwen/Qwen3.5-9B).
 */
export const qwen35 = defineFamily({
  modelType: 'qwen3_5_text',
  className: 'Qwen3_5ForCausalLM',
  classifierName: 'Qwen3_5TextForSequenceClassification',
  keys,
  // Of the head that guesses two tokens ahead, which the class does not load, and how other software computes.
  harmless: ['mtp_num_hidden_layers', 'mtp_use_dedicated_embeddings', 'mamba_ssm_dtype', 'mlp_only_layers'],
  unobeyed: {
    attn_output_gate: {
      isHarmless: isOneOf(true),
      expected: 'true: the class always gates what attention gives',
      severity: 'notice',
    },
  },
  within: { rope_parameters: rope, rope_scaling: rope },
  check: (config) => [
    ...checkLlama(llamaConfig(config), null, rotary),
    ...(config.layer_types && config.layer_types.length !== config.num_hidden_layers
      ? [
          {
            key: 'layer_types',
            expected: `a type for each of num_hidden_layers, ${config.num_hidden_layers}`,
          },
        ]
      : []),
    ...(config.linear_num_value_heads % config.linear_num_key_heads === 0
      ? []
      : [{ key: 'linear_num_key_heads', expected: 'a divisor of linear_num_value_heads' }]),
    ...(config.layer_types || config.full_attention_interval !== null
      ? []
      : [{ key: 'full_attention_interval', expected: 'a whole number, where there are no layer_types' }]),
    ...(['silu', 'swish'].includes(config.hidden_act) ? [] : [{ key: 'hidden_act', expected: 'silu' }]),
  ],
  describe: (config) =>
    llamaLike(
      llamaConfig(config),
      (layer) =>
        attends(config, layer)
          ? {
              ggufMlpNorm: 'post_attention_norm',
              biases: { qkv: config.attention_bias, output: config.attention_bias },
              hasGates: true,
              headNorms: 'each',
            }
          : qwen35Memory(config),
      { gain: onePlus, ...rotary },
    ),
  gguf: {
    ...qwen35Gguf,
    write: (config) => ({
      ...llamaMetadata(llamaConfig(config)),
      ...memoryMetadata(config),
      'attention.recurrent_layers': flags(
        Array.from({ length: config.num_hidden_layers }, (_, layer) => !attends(config, layer)),
      ),
      full_attention_interval: whole(config.full_attention_interval ?? 4),
      'rope.dimension_count': whole(ropeOf(config, config.head_dim, rotary).rotaryDim),
      // Text has one position in all of them.
      'rope.dimension_sections': integers(
        [...(config.rope_parameters?.mrope_section ?? [11, 11, 10]), 0, 0, 0].slice(0, 4),
      ),
    }),
  },
})

function llamaConfig(config: Qwen35Config) {
  return { ...config, layer_types: null }
}

function attends({ layer_types, full_attention_interval }: Qwen35Config, layer: number): boolean {
  return layer_types
    ? layer_types[layer] === 'full_attention'
    : (layer + 1) % (full_attention_interval ?? 1) === 0
}
