import { defineFamily } from '../family.ts'
import { llamaMetadata, llamaOwnMetadata, withHeads } from '../gguf/gguf-metadata.ts'
import { lostWindow } from '../gguf/window-metadata.ts'
import { checkLlama, llamaKeys } from '../keys/llama-keys.ts'
import { count } from '../keys/values.ts'
import { isSliding, windowSize } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'

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
}).extend({ num_key_value_heads: count(8), sliding_window: windowSize(4096) })

/**
 * Mistral: a Llama whose layers see a window (Jiang et al. 2023, https://arxiv.org/abs/2310.06825). With `layer_types` it is what
 * Transformers calls Ministral, and only some do.
 */
export const mistral = defineFamily({
  modelType: 'mistral',
  className: 'MistralForCausalLM',
  keys,
  check: (config) => checkLlama(config, config.sliding_window),
  describe: (config, stored) =>
    llamaLike(config, (layer) => ({
      // In the files of a llama, which are written; not in others.
      ggufInterleaves: !stored.has('blk.0.attn_q.weight'),
      window: isSliding(config.layer_types?.[layer] ?? 'sliding_attention') ? config.sliding_window : null,
    })),
  // llama.cpp's converter calls a Mistral a llama; other writers do not.
  gguf: {
    architecture: 'mistral',
    metadata: (values) => ({ sliding_window: values['attention.sliding_window'] ?? null }),
    writtenArchitecture: 'llama',
    write: (config) => ({ ...llamaMetadata(withHeads(config)), ...llamaOwnMetadata(config) }),
    lost: lostWindow,
  },
})
