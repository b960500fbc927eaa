import { z } from 'zod'
import type { ForeignKeys } from '../../formats/foreign/index.ts'
import { isOneOf } from '../../formats/foreign/index.ts'
import type { GgufConfig } from './gguf-keys.ts'
import type { LlamaLayerOptions, LlamaModelOptions } from './llama-like.ts'
import { activationName, activationNames } from './activation-keys.ts'
import { count, flag, type KeyProblem } from './keys.ts'
import { llamaKeys } from './llama-keys.ts'
import { windowSize } from './window-keys.ts'
import { onePlus } from '../weights/transforms.ts'

const bound = (fallback: number | null) => z.number().positive().nullable().default(fallback)

/** The keys that config.json of a Gemma has; the caps differ by generation. */
export const gemmaKeys = (defaults: {
  vocabSize: number
  maxPositions: number
  attentionCap: number | null
  logitCap: number | null
}) =>
  llamaKeys({
    vocabSize: defaults.vocabSize,
    hiddenSize: 2304,
    intermediateSize: 9216,
    layers: 26,
    heads: 8,
    keyHeads: 4,
    maxPositions: defaults.maxPositions,
    tied: true,
    bos: 2,
    eos: 1,
  })
    .omit({ hidden_act: true })
    .extend({
      num_key_value_heads: count(4),
      head_dim: count(256),
      hidden_activation: activationName('gelu_pytorch_tanh'),
      query_pre_attn_scalar: z.number().positive().default(256),
      attention_bias: flag(false),
      sliding_window: windowSize(4096),
      attn_logit_softcapping: bound(defaults.attentionCap),
      final_logit_softcapping: bound(defaults.logitCap),
    })

export type GemmaConfig = z.output<ReturnType<typeof gemmaKeys>>

/** `hidden_act` stands in old files beside `hidden_activation`, which decides. */
export const gemmaHarmless = ['hidden_act', 'cache_implementation']

export const gemmaUnobeyed: NonNullable<ForeignKeys['unobeyed']> = {
  use_bidirectional_attention: {
    isHarmless: isOneOf(false, null),
    expected: 'false: each token sees those before it',
  },
}

/**
 * Norms with gains from one, before and after each block, GELU gates, an embedding times √width.
 *
 * @param slides  whether it sees a window only
 */
export function gemmaLayer(config: GemmaConfig, slides: boolean): LlamaLayerOptions {
  return {
    biases: { qkv: config.attention_bias, output: config.attention_bias },
    norms: 'both',
    window: slides ? config.sliding_window : null,
    scale: config.query_pre_attn_scalar ** -0.5,
    cap: config.attn_logit_softcapping,
    activation: activationNames[config.hidden_activation],
  }
}

/** What is wrong beside what a Llama's keys can have. */
export function checkGemma({ sliding_window }: GemmaConfig, slides: readonly boolean[]): KeyProblem[] {
  if (sliding_window !== null || !slides.includes(true)) return []
  return [{ key: 'sliding_window', expected: 'a number: there are layers that see a window' }]
}

export function gemmaModel(config: GemmaConfig): LlamaModelOptions {
  return {
    embeddingScale: { factor: Math.sqrt(config.hidden_size), isRounded: true },
    logits: { scale: 1, cap: config.final_logit_softcapping ?? 0 },
    gain: onePlus,
  }
}

/** What is lost where scores are scaled otherwise than llama.cpp does, which tells the largest model by its layers. */
export function lostScale(config: GemmaConfig, largest: number): KeyProblem[] {
  const { query_pre_attn_scalar: scalar, num_hidden_layers: layers } = config
  const expected = layers === largest ? config.hidden_size / config.num_attention_heads : config.head_dim
  if (scalar === expected) return []
  return [{ key: 'query_pre_attn_scalar', expected: `${expected}, as llama.cpp computes` }]
}

/**
 * The same keys from the metadata of a GGUF file.
 *
 * @param largest  layers of the model whose scores are scaled by its width: llama.cpp tells it by them
 */
export function gemmaMetadata(values: GgufConfig, largest: number): Record<string, unknown> {
  const share = values.embedding_length / values['attention.head_count']
  return {
    query_pre_attn_scalar: values.block_count === largest ? share : (values['attention.key_length'] ?? share),
    sliding_window: values['attention.sliding_window'] || null,
  }
}
