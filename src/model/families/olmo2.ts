import { defineFamily } from './family.ts'
import { biasTensors } from './gguf/bias-tensors.ts'
import { llamaMetadata } from './gguf/gguf-metadata.ts'
import { noWindow } from './keys/every-model.ts'
import { biasesOf, biasKeys, checkLlama, llamaKeys } from './keys/llama-keys.ts'
import type { LlamaLayerOptions } from './layers/llama-layer.ts'
import { llamaLike } from './layers/llama-like.ts'

/** The keys of OLMo 2 and 3. */
export const olmoKeys = llamaKeys({
  vocabSize: 50304,
  hiddenSize: 4096,
  intermediateSize: 11008,
  layers: 32,
  heads: 32,
  keyHeads: null,
  maxPositions: 2048,
  normEps: 1e-5,
  bos: null,
  eos: 50279,
}).extend({ attention_bias: biasKeys.attention_bias })

/** OLMo 2: norms of what is added, and of all queries and all keys together (https://arxiv.org/abs/2501.00656). */
export const olmo2 = defineFamily({
  modelType: 'olmo2',
  className: 'Olmo2ForCausalLM',
  keys: olmoKeys,
  unobeyed: noWindow,
  check: (config) => checkLlama(config, null),
  describe: (config) => llamaLike(config, () => olmoLayer(config)),
  gguf: {
    architecture: 'olmo2',
    tensors: { attention_bias: biasTensors.attention_bias },
    write: llamaMetadata,
  },
})

/** What the layers of OLMo 2 and 3 have. */
export function olmoLayer(config: { attention_bias: boolean }): LlamaLayerOptions {
  return { biases: biasesOf(config), headNorms: 'together', norms: 'after' }
}
