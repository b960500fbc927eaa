import { defineFamily } from './family.ts'
import { llamaMetadata } from './gguf-metadata.ts'
import { flag, noWindow } from './keys.ts'
import type { LlamaLayerOptions } from './llama-like.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'

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
}).extend({ attention_bias: flag(false) })

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
    tensors: { attention_bias: 'blk.0.attn_q.bias' },
    write: llamaMetadata,
  },
})

/** What the layers of OLMo 2 and 3 have. */
export function olmoLayer({ attention_bias: bias }: { attention_bias: boolean }): LlamaLayerOptions {
  return { biases: { qkv: bias, output: bias }, headNorms: 'together', norms: 'after' }
}
