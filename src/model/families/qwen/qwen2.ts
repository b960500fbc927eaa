import { defineFamily } from '../family.ts'
import { llamaMetadata } from '../gguf/gguf-metadata.ts'
import { lostUsedWindow, usedWindowMetadata } from '../gguf/window-metadata.ts'
import { checkLlama, llamaKeys } from '../keys/llama-keys.ts'
import { usedWindow, windowKeys, windowOf } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'

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
    metadata: usedWindowMetadata,
    write: llamaMetadata,
    lost: lostUsedWindow,
  },
})
