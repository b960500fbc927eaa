import { z } from 'zod'
import { defineFamily } from './family.ts'
import { rotaryShare } from './gguf/gguf-keys.ts'
import { longropeMetadata, normMetadata, sizeMetadata, whole } from './gguf/gguf-metadata.ts'
import { lostWindow, windowMetadata } from './gguf/window-metadata.ts'
import { dropout } from './keys/every-model.ts'
import { checkLlama, headsOf, llamaKeys } from './keys/llama-keys.ts'
import { longropeKeys } from './keys/longrope-keys.ts'
import { windowSize } from './keys/window-keys.ts'
import { llamaLike } from './layers/llama-like.ts'

const keys = llamaKeys({
  vocabSize: 32064,
  hiddenSize: 3072,
  intermediateSize: 8192,
  layers: 32,
  heads: 32,
  keyHeads: null,
  maxPositions: 4096,
  normEps: 1e-5,
  bos: 1,
  eos: 32000,
}).extend({
  ...longropeKeys,
  head_dim: z
    .int()
    .positive()
    .optional()
    .transform((length) => length ?? null),
  sliding_window: windowSize(null),
})

const rotary = { isPartial: true }

/** Phi-3, 3.5 and 4 mini: projections of one input in one tensor, and longrope (https://arxiv.org/abs/2404.14219). */
export const phi3 = defineFamily({
  modelType: 'phi3',
  className: 'Phi3ForCausalLM',
  keys,
  unobeyed: { resid_pdrop: dropout, embd_pdrop: dropout },
  check: (config) => checkLlama(config, config.sliding_window, rotary),
  describe: (config) => llamaLike(config, () => ({ isFused: true, window: config.sliding_window }), rotary),
  gguf: {
    architecture: 'phi3',
    obeys: ['rope.dimension_count'],
    metadata: (values, rope) => ({
      ...windowMetadata(values),
      original_max_position_embeddings: rope['original_max_position_embeddings'],
      partial_rotary_factor: rotaryShare(values),
    }),
    write: (config) => ({
      ...sizeMetadata(config),
      ...normMetadata(config),
      ...longropeMetadata(config, headsOf(config).headDim, rotary),
      'attention.sliding_window': whole(config.sliding_window ?? 0),
    }),
    lost: lostWindow,
  },
})
