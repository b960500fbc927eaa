import { defineFamily } from './family.ts'
import { gemmaHarmless, gemmaKeys, gemmaLayer, gemmaModel, gemmaUnobeyed } from './gemma-keys.ts'
import { checkLlama, llamaLike } from './llama-like.ts'
import { isSliding } from './window-keys.ts'

/** Gemma 2: scores and logits are bounded, and every other layer sees a window (https://arxiv.org/abs/2408.00118). */
export const gemma2 = defineFamily({
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  keys: gemmaKeys({ vocabSize: 256_000, maxPositions: 8192, attentionCap: 50, logitCap: 30 }),
  harmless: gemmaHarmless,
  unobeyed: gemmaUnobeyed,
  check: (config) => checkLlama(config, config.sliding_window),
  describe: (config) =>
    llamaLike(
      config,
      (layer) => {
        const type = config.layer_types?.[layer] ?? (layer % 2 === 0 ? 'sliding_attention' : 'full_attention')
        return gemmaLayer(config, isSliding(type) ? config.sliding_window : null)
      },
      gemmaModel(config),
    ),
  gguf: null,
})
