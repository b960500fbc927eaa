import { z } from 'zod'
import type { ForeignKeys } from '../../../formats/foreign/index.ts'
import { biasKeys, checkLayerTypes, checkLlama, llamaKeys } from '../keys/llama-keys.ts'
import { ropeParameters, ropeWithin } from '../keys/rope-keys.ts'
import { count, unless, type KeyProblem } from '../keys/values.ts'

/** The keys that config.json of a Qwen3.5's text model has. */
export const qwen35Keys = llamaKeys({
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
  attention_bias: biasKeys.attention_bias,
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

export type Qwen35Config = z.output<typeof qwen35Keys>

/** A part of each head turns. */
export const rotary = { isPartial: true }

/** Text has one position where pictures have three: sections of a head for each of them change nothing. */
const rope: ForeignKeys = {
  ...ropeWithin['rope_parameters'],
  harmless: ['finetuned', 'mrope_section', 'mrope_interleaved'],
}
export const qwen35Within = { rope_parameters: rope, rope_scaling: rope }

/** What is wrong with several keys together. */
export function checkQwen35(config: Qwen35Config): KeyProblem[] {
  return [
    ...checkLlama(llamaConfig(config), null, rotary),
    ...checkLayerTypes(config),
    ...unless(
      config.linear_num_value_heads % config.linear_num_key_heads === 0,
      'linear_num_key_heads',
      'a divisor of linear_num_value_heads',
    ),
    ...unless(
      Boolean(config.layer_types) || config.full_attention_interval !== null,
      'full_attention_interval',
      'a whole number, where there are no layer_types',
    ),
    ...unless(['silu', 'swish'].includes(config.hidden_act), 'hidden_act', 'silu'),
  ]
}

/** As that of a model all of whose layers attend. */
export function llamaConfig<Config extends Qwen35Config>(config: Config) {
  return { ...config, layer_types: null }
}

/** Whether a layer attends; the others have a memory. */
export function attends({ layer_types, full_attention_interval }: Qwen35Config, layer: number): boolean {
  return layer_types
    ? layer_types[layer] === 'full_attention'
    : (layer + 1) % (full_attention_interval ?? 1) === 0
}
