import { defineFamily } from '../family.ts'
import { real, sizeMetadata } from '../gguf/gguf-metadata.ts'
import { lostAlternation } from '../gguf/window-metadata.ts'
import { checkLlama } from '../keys/llama-keys.ts'
import { ropeOf } from '../keys/rope-keys.ts'
import { unless } from '../keys/values.ts'
import { checkWindow, slidingLayers } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { gemmaMetadata, gemmaWritten, lostScale } from './gemma-gguf.ts'
import type { GemmaConfig } from './gemma-keys.ts'
import { gemmaHarmless, gemmaKeys, gemmaLayer, gemmaModel, gemmaUnobeyed } from './gemma-keys.ts'

/** Gemma 2: scores and logits are bounded, and every other layer sees a window (https://arxiv.org/abs/2408.00118). */
export const gemma2 = defineFamily({
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  keys: gemmaKeys({ vocabSize: 256_000, maxPositions: 8192, attentionCap: 50, logitCap: 30 }),
  harmless: gemmaHarmless,
  unobeyed: gemmaUnobeyed,
  check: (config) => [
    ...checkLlama(config, config.sliding_window),
    ...checkWindow(config, slidingOf(config).includes(true)),
  ],
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
      ...gemmaWritten(config, true),
      attn_logit_softcapping: real(config.attn_logit_softcapping ?? 0),
      final_logit_softcapping: real(config.final_logit_softcapping ?? 0),
    }),
    lost: (config) => [
      ...lostScale(config, 46),
      ...lostAlternation(slidingOf(config)),
      ...unless(
        ropeOf(config, config.head_dim).theta === 10_000,
        'rope_theta',
        '10000, as llama.cpp computes',
      ),
    ],
  },
})

/** Which layers see a window: unless the file says it, the first, the third and so on. */
function slidingOf(config: GemmaConfig): boolean[] {
  return slidingLayers(config, (layer) => layer % 2 === 0)
}
