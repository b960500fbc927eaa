import { defineFamily } from './family.ts'
import { count, flag } from './keys.ts'
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
}).extend({ ...windowKeys, head_dim: count(128), attention_bias: flag(false) })

/** Qwen 3: a Llama with a norm of each query and key head (https://arxiv.org/abs/2505.09388). */
export const qwen3 = defineFamily({
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  keys,
  check: (config) => checkLlama(config, usedWindow(config)),
  describe: (config) =>
    llamaLike(config, (layer) => ({
      biases: { qkv: config.attention_bias, output: config.attention_bias },
      headNorms: 'each',
      window: windowOf(config, layer),
    })),
  gguf: {
    architecture: 'qwen3',
    tensors: { attention_bias: 'blk.0.attn_q.bias' },
    metadata: windowMetadata,
    write: llamaMetadata,
    lost: (config) => lostWindow(usedWindow(config), config.max_position_embeddings),
  },
})
