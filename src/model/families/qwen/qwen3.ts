import { defineFamily } from '../family.ts'
import { biasTensors } from '../gguf/bias-tensors.ts'
import { llamaMetadata } from '../gguf/gguf-metadata.ts'
import { lostUsedWindow, usedWindowMetadata } from '../gguf/window-metadata.ts'
import { biasesOf, biasKeys, checkLlama, llamaKeys } from '../keys/llama-keys.ts'
import { count } from '../keys/values.ts'
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
}).extend({ ...windowKeys, head_dim: count(128), attention_bias: biasKeys.attention_bias })

/** Qwen 3: a Llama with a norm of each query and key head (https://arxiv.org/abs/2505.09388). */
export const qwen3 = defineFamily({
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  keys,
  check: (config) => checkLlama(config, usedWindow(config)),
  describe: (config) =>
    llamaLike(config, (layer) => ({
      biases: biasesOf(config),
      headNorms: 'each',
      window: windowOf(config, layer),
    })),
  gguf: {
    architecture: 'qwen3',
    tensors: { attention_bias: biasTensors.attention_bias },
    metadata: usedWindowMetadata,
    write: llamaMetadata,
    lost: lostUsedWindow,
  },
})
