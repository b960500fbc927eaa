import { z } from 'zod'
import { defineFamily } from './family.ts'
import { checkGemma, gemmaHarmless, gemmaKeys, gemmaLayer, gemmaModel, gemmaUnobeyed } from './gemma-keys.ts'
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

type Gemma3Config = z.output<typeof keys>

/** Gemma 3's text models: five of six layers see a window and turn by shorter waves (https://arxiv.org/abs/2503.19786). */
export const gemma3 = defineFamily({
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',
  keys,
  harmless: [...gemmaHarmless, '_sliding_window_pattern'],
  unobeyed: gemmaUnobeyed,
  within: ropeTypesWithin,
  check: (config) => [
    ...checkLlama(wholeConfig(config), config.sliding_window),
    ...checkGemma(wholeConfig(config), slidingOf(config)),
    ...(config.rope_scaling && config.rope_parameters && !config.rope_parameters.full_attention
      ? [{ key: 'rope_parameters', expected: 'full_attention and sliding_attention, beside rope_scaling' }]
      : []),
  ],
  describe(config) {
    const whole = wholeConfig(config)
    const local = ropeOf(
      {
        ...config,
        rope_scaling: null,
        rope_parameters: config.rope_parameters?.sliding_attention,
        rope_theta: config.rope_local_base_freq,
      },
      headsOf(whole).headDim,
    )
    const slides = slidingOf(config)
    return llamaLike(
      whole,
      (layer) => ({
        ...gemmaLayer(whole, slides[layer]),
        // The class reads the key, and computes without it.
        cap: null,
        headNorms: 'each',
        ...(slides[layer] && { rope: local }),
      }),
      gemmaModel(whole),
    )
  },
  gguf: null,
})

/** With the rotation of the layers that see everything as the only one; `rope_scaling` of older files changes it. */
function wholeConfig({ rope_parameters: types, rope_scaling: older, ...config }: Gemma3Config) {
  const { type: _, ...changed } = older ?? {}
  return {
    ...config,
    rope_scaling: null,
    rope_parameters: { truncate: true, ...types?.full_attention, ...changed },
  }
}

function slidingOf(config: Gemma3Config): boolean[] {
  const { layer_types: types, num_hidden_layers: layers, sliding_window_pattern: pattern } = config
  return Array.from({ length: layers }, (_, layer) =>
    types ? isSliding(types[layer]) : (layer + 1) % pattern !== 0,
  )
}
