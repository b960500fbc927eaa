import { z } from 'zod'
import { defineFamily } from './family.ts'
import {
  checkGemma,
  gemmaHarmless,
  gemmaKeys,
  gemmaLayer,
  gemmaMetadata,
  gemmaModel,
  gemmaUnobeyed,
  lostScale,
} from './gemma-keys.ts'
import { checkLlama } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { checkRope, ropeOf } from './rope-keys.ts'
import { checkOlderRope, ropeOfTypes, ropesOfTypes, ropeTypesWithin } from './typed-ropes.ts'
import { flags, headMetadata, real, ropeMetadata, sizeMetadata, whole } from './gguf-metadata.ts'
import { isSliding, typedMetadata } from './window-keys.ts'

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
  classifierName: 'Gemma3TextForSequenceClassification',
  keys,
  harmless: [...gemmaHarmless, '_sliding_window_pattern'],
  unobeyed: gemmaUnobeyed,
  within: ropeTypesWithin,
  check: (config) => [
    ...checkLlama(wholeConfig(config), config.sliding_window),
    ...checkRope(ropesOf(config).sliding, config.head_dim),
    ...checkGemma(wholeConfig(config), slidingOf(config)),
    ...checkOlderRope(config),
  ],
  describe(config) {
    const whole = wholeConfig(config)
    const local = ropeOf(ropesOf(config).sliding, config.head_dim)
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
  gguf: {
    architecture: 'gemma3',
    obeys: ['final_logit_softcapping', 'attention.sliding_window_pattern', 'rope.freq_base_swa'],
    metadata: (values, rope) => ({
      ...gemmaMetadata(values, 62),
      final_logit_softcapping: values.final_logit_softcapping ?? null,
      ...typedMetadata(values, rope, { pattern: 6, theta: 10_000 }),
    }),
    write(config) {
      const slides = slidingOf(config)
      const { full, sliding } = ropesOf(config)
      return {
        ...sizeMetadata(wholeConfig(config)),
        ...ropeMetadata(full, config.head_dim),
        'rope.freq_base_swa': real(ropeOf(sliding, config.head_dim).theta),
        'attention.layer_norm_rms_epsilon': real(config.rms_norm_eps),
        ...headMetadata(config.head_dim),
        ...(config.final_logit_softcapping !== null && {
          final_logit_softcapping: real(config.final_logit_softcapping),
        }),
        ...(config.sliding_window !== null &&
          slides.includes(true) && { 'attention.sliding_window': whole(config.sliding_window) }),
        ...(slides.some((isSliding_, layer) => isSliding_ !== ((layer + 1) % 6 !== 0)) && {
          'attention.sliding_window_pattern': flags(slides),
        }),
      }
    },
    lost: (config) => lostScale(wholeConfig(config), 62),
  },
})

function ropesOf(config: Gemma3Config) {
  return ropesOfTypes(config, { full: config.rope_theta, sliding: config.rope_local_base_freq })
}

/** With the rotation of the layers that see everything as the only one. */
function wholeConfig<Config extends Gemma3Config>(config: Config) {
  return { ...config, ...ropesOf(config).full }
}

function slidingOf(config: Gemma3Config): boolean[] {
  const { layer_types: types, num_hidden_layers: layers, sliding_window_pattern: pattern } = config
  return Array.from({ length: layers }, (_, layer) =>
    types ? isSliding(types[layer]) : (layer + 1) % pattern !== 0,
  )
}
