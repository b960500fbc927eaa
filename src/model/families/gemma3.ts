import { z } from 'zod'
import { defineFamily } from './family.ts'
import { gemmaHarmless, gemmaKeys, gemmaLayer, gemmaModel, gemmaUnobeyed } from './gemma-keys.ts'
import { checkLlama, headsOf, llamaLike } from './llama-like.ts'
import { ropeOf, ropeOfTypes, ropeTypesWithin } from './rope-keys.ts'
import { isSliding } from './window-keys.ts'

const keys = gemmaKeys({
  vocabSize: 262_208,
  maxPositions: 131_072,
  attentionCap: null,
  logitCap: null,
}).extend({
  rope_parameters: ropeOfTypes,
  rope_theta: z.number().positive().default(1_000_000),
  rope_local_base_freq: z.number().positive().default(10_000),
  /** Every so many layers one sees everything. */
  sliding_window_pattern: z.int().positive().default(6),
})

/** Gemma 3's text models: five of six layers see a window and turn by shorter waves (https://arxiv.org/abs/2503.19786). */
export const gemma3 = defineFamily({
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',
  keys,
  harmless: [...gemmaHarmless, '_sliding_window_pattern'],
  unobeyed: gemmaUnobeyed,
  within: ropeTypesWithin,
  check: ({ rope_parameters: types, ...config }) => [
    ...checkLlama({ ...config, rope_parameters: types?.full_attention }, config.sliding_window),
  ],
  describe({ rope_parameters: types, ...config }) {
    const { headDim } = headsOf(config)
    const whole = { ...config, rope_parameters: types?.full_attention }
    const local = ropeOf(
      {
        ...config,
        rope_scaling: null,
        rope_theta: config.rope_local_base_freq,
        rope_parameters: types?.sliding_attention,
      },
      headDim,
    )
    return llamaLike(
      whole,
      (layer) => {
        const isLocal = config.layer_types
          ? isSliding(config.layer_types[layer])
          : (layer + 1) % config.sliding_window_pattern !== 0
        return {
          ...gemmaLayer({ ...whole }, isLocal ? config.sliding_window : null),
          headNorms: 'each',
          ...(isLocal && { rope: local }),
        }
      },
      gemmaModel(whole),
    )
  },
  gguf: null,
})
