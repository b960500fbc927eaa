import { defineFamily } from '../family.ts'
import { real, ropeMetadata, sizeMetadata } from '../gguf/gguf-metadata.ts'
import { patternMetadata, typedMetadata } from '../gguf/window-metadata.ts'
import { checkTypedRopes, ropeTypesWithin } from '../keys/typed-ropes.ts'
import { checkWindow } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { gemmaMetadata, gemmaWritten, lostScale } from './gemma-gguf.ts'
import { gemmaHarmless, gemmaLayer, gemmaModel, gemmaUnobeyed } from './gemma-keys.ts'
import { gemma3Keys, ropesOf, slidingOf } from './gemma3-keys.ts'

/** Gemma 3's text models: five of six layers see a window and turn by shorter waves (https://arxiv.org/abs/2503.19786). */
export const gemma3 = defineFamily({
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',
  classifierName: 'Gemma3TextForSequenceClassification',
  keys: gemma3Keys,
  harmless: [...gemmaHarmless, '_sliding_window_pattern'],
  unobeyed: gemmaUnobeyed,
  within: ropeTypesWithin,
  check: (config) => [
    ...checkTypedRopes(config, ropesOf(config)),
    ...checkWindow(config, slidingOf(config).includes(true)),
  ],
  describe(config) {
    const { whole, local } = ropesOf(config)
    const slides = slidingOf(config)
    const layerOptions = (layer: number) => ({
      ...gemmaLayer(whole, slides[layer]),
      // The class reads the key, and computes without it.
      cap: null,
      headNorms: 'each' as const,
      ...(slides[layer] && { rope: local }),
    })
    return llamaLike(whole, layerOptions, gemmaModel(whole))
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
      const { whole, local } = ropesOf(config)
      return {
        ...sizeMetadata(whole),
        ...ropeMetadata(whole, config.head_dim),
        'rope.freq_base_swa': real(local.theta),
        ...gemmaWritten(config, slides.includes(true)),
        ...(config.final_logit_softcapping !== null && {
          final_logit_softcapping: real(config.final_logit_softcapping),
        }),
        ...patternMetadata(slides, 6),
      }
    },
    lost: (config) => lostScale(config, 62),
  },
})
