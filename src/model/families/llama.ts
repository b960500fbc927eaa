import { defineFamily } from './family.ts'
import { biasTensors } from './gguf/bias-tensors.ts'
import { llamaMetadata, llamaOwnMetadata, withHeads } from './gguf/gguf-metadata.ts'
import { noWindow } from './keys/every-model.ts'
import { biasesOf, biasKeys, checkLlama, llamaKeys } from './keys/llama-keys.ts'
import { unless } from './keys/values.ts'
import { llamaLike } from './layers/llama-like.ts'

const keys = llamaKeys({
  vocabSize: 32000,
  hiddenSize: 4096,
  intermediateSize: 11008,
  layers: 32,
  heads: 32,
  keyHeads: null,
  maxPositions: 2048,
  bos: 1,
  eos: 2,
}).extend(biasKeys)

/** Llama 1 to 3 (Touvron et al. 2023, https://arxiv.org/abs/2302.13971), and everything that says it is one. */
export const llama = defineFamily({
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  keys,
  unobeyed: noWindow,
  check: (config) => [
    ...unless(
      config.hidden_size % config.num_attention_heads === 0,
      'num_attention_heads',
      `a divisor of hidden_size, ${config.hidden_size}`,
    ),
    ...checkLlama(config, null),
  ],
  describe: (config) => llamaLike(config, () => ({ biases: biasesOf(config), ggufInterleaves: true })),
  gguf: {
    architecture: 'llama',
    tensors: biasTensors,
    write: (config) => ({ ...llamaMetadata(withHeads(config)), ...llamaOwnMetadata(config) }),
  },
})
