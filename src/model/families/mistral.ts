import { defineFamily } from './family.ts'
import { optionalCount } from './keys.ts'
import { llamaKeys, llamaLike } from './llama-like.ts'

const keys = llamaKeys({
  vocabSize: 32000,
  hiddenSize: 4096,
  intermediateSize: 14336,
  layers: 32,
  heads: 32,
  keyHeads: 8,
  maxPositions: 131_072,
  bos: 1,
  eos: 2,
}).extend({ sliding_window: optionalCount(4096) })

/** Mistral: a Llama whose layers see a window (Jiang et al. 2023, https://arxiv.org/abs/2310.06825). */
export const mistral = defineFamily({
  modelType: 'mistral',
  className: 'MistralForCausalLM',
  keys,
  describe: (config) => llamaLike(config, () => ({ window: config.sliding_window })),
  // llama.cpp's converter calls a Mistral a llama; other writers do not.
  gguf: {
    architecture: 'mistral',
    metadata: (number) => ({ sliding_window: number('attention.sliding_window') ?? null }),
  },
})
