import { z } from 'zod'
import type { ForeignKeys } from '../../../formats/foreign/index.ts'
import { isOneOf } from '../../../formats/foreign/index.ts'
import { tokenEmbedding } from '../../blocks/embedding.ts'
import { onePlus } from '../../weights/transforms.ts'
import { activationName, activationNames } from '../keys/activation-keys.ts'
import { biasesOf, biasKeys, llamaKeys } from '../keys/llama-keys.ts'
import { count } from '../keys/values.ts'
import { windowSize } from '../keys/window-keys.ts'
import type { LlamaLayerOptions } from '../layers/llama-layer.ts'
import type { LlamaModelOptions } from '../layers/llama-like.ts'

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
      attention_bias: biasKeys.attention_bias,
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
    biases: biasesOf(config),
    norms: 'both',
    window: slides ? config.sliding_window : null,
    scale: config.query_pre_attn_scalar ** -0.5,
    cap: config.attn_logit_softcapping,
    activation: activationNames[config.hidden_activation],
  }
}

/** What is around the layers. */
export function gemmaModel(config: GemmaConfig): LlamaModelOptions {
  return {
    embed: (table) => tokenEmbedding(table, { factor: Math.sqrt(config.hidden_size), isRounded: true }),
    logits: { scale: 1, cap: config.final_logit_softcapping ?? 0 },
    gain: onePlus,
  }
}
