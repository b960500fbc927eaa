import { defineFamily } from './family.ts'
import { llamaMetadata } from './gguf-metadata.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { lostWindow, usedWindow, windowKeys, windowMetadata, windowOf } from './window-keys.ts'

const keys = llamaKeys({
  vocabSize: 151_936,
  hiddenSize: 4096,
  intermediateSize: 22016,
  layers: 32,
  heads: 32,
  keyHeads: 32,
  maxPositions: 32768,
  bos: null,
  eos: null,
}).extend(windowKeys)

/** Qwen 2 and 2.5: a Llama with biases on queries, keys and values (https://arxiv.org/abs/2407.10671). */
export const qwen2 = defineFamily({
  modelType: 'qwen2',
  className: 'Qwen2ForCausalLM',
  keys,
  check: (config) => checkLlama(config, usedWindow(config)),
  describe: (config) =>
    llamaLike(config, (layer) => ({ biases: { qkv: true }, window: windowOf(config, layer) })),
  gguf: {
    architecture: 'qwen2',
    metadata: windowMetadata,
    write: llamaMetadata,
    lost: (config) => lostWindow(usedWindow(config), config.max_position_embeddings),
  },
})
