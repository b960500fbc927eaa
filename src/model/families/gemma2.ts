import { defineFamily } from './family.ts'
import type { GemmaConfig } from './gemma-keys.ts'
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
import { headMetadata, real, sizeMetadata, whole } from './gguf-metadata.ts'
import { ropeOf } from './rope-keys.ts'
import { isSliding } from './window-keys.ts'

/** Gemma 2: scores and logits are bounded, and every other layer sees a window (https://arxiv.org/abs/2408.00118). */
export const gemma2 = defineFamily({
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  keys: gemmaKeys({ vocabSize: 256_000, maxPositions: 8192, attentionCap: 50, logitCap: 30 }),
  harmless: gemmaHarmless,
  unobeyed: gemmaUnobeyed,
  check: (config) => [...checkLlama(config, config.sliding_window), ...checkGemma(config, slidingOf(config))],
  describe(config) {
    const slides = slidingOf(config)
    return llamaLike(config, (layer) => gemmaLayer(config, slides[layer]), gemmaModel(config))
  },
  gguf: {
    architecture: 'gemma2',
    obeys: ['attn_logit_softcapping', 'final_logit_softcapping'],
    metadata: (values) => ({
      ...gemmaMetadata(values, 46),
      sliding_window: values['attention.sliding_window'] ?? 4096,
      attn_logit_softcapping: values.attn_logit_softcapping ?? 50,
      final_logit_softcapping: values.final_logit_softcapping ?? 30,
    }),
    write: (config) => ({
      ...sizeMetadata(config),
      'attention.layer_norm_rms_epsilon': real(config.rms_norm_eps),
      ...headMetadata(config.head_dim),
      attn_logit_softcapping: real(config.attn_logit_softcapping ?? 0),
      final_logit_softcapping: real(config.final_logit_softcapping ?? 0),
      ...(config.sliding_window !== null && { 'attention.sliding_window': whole(config.sliding_window) }),
    }),
    lost: (config) => [
      ...lostScale(config, 46),
      ...(slidingOf(config).every((isSliding_, layer) => isSliding_ === (layer % 2 === 0))
        ? []
        : [{ key: 'layer_types', expected: 'a window in every other layer, as llama.cpp computes' }]),
      ...(ropeOf(config, config.head_dim).theta === 10_000
        ? []
        : [{ key: 'rope_theta', expected: '10000, as llama.cpp computes' }]),
    ],
  },
})

/** Which layers see a window: unless the file says it, the first, the third and so on. */
function slidingOf({ layer_types: types, num_hidden_layers: layers }: GemmaConfig): boolean[] {
  return Array.from({ length: layers }, (_, layer) => (types ? isSliding(types[layer]) : layer % 2 === 0))
}
