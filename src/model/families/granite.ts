import { z } from 'zod'
import { tokenEmbedding } from '../blocks/embedding.ts'
import { defineFamily } from './family.ts'
import { biasTensors } from './gguf/bias-tensors.ts'
import { headLength } from './gguf/gguf-keys.ts'
import { llamaMetadata, llamaOwnMetadata, real } from './gguf/gguf-metadata.ts'
import { noWindow } from './keys/every-model.ts'
import { biasesOf, biasKeys, checkLlama, llamaKeys } from './keys/llama-keys.ts'
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
}).extend({
  ...biasKeys,
  embedding_multiplier: z.number().default(1),
  attention_multiplier: z.number().default(1),
  residual_multiplier: z.number().default(1),
  logits_scaling: z
    .number()
    .refine((scaling) => scaling !== 0, 'another number than 0')
    .default(1),
})

/** Granite 3: a Llama with four multipliers, of embedding, scores, what blocks add, and logits. */
export const granite = defineFamily({
  modelType: 'granite',
  className: 'GraniteForCausalLM',
  classifierName: null,
  keys,
  unobeyed: noWindow,
  check: (config) => checkLlama(config, null),
  describe: (config) =>
    llamaLike(
      config,
      () => ({
        biases: biasesOf(config),
        scale: config.attention_multiplier,
        residualScale: config.residual_multiplier,
        ggufInterleaves: true,
      }),
      {
        embed: (table) => tokenEmbedding(table, { factor: config.embedding_multiplier, isRounded: false }),
        logits: { scale: 1 / config.logits_scaling, cap: 0 },
      },
    ),
  gguf: {
    architecture: 'granite',
    obeys: ['attention.scale', 'embedding_scale', 'residual_scale', 'logit_scale'],
    tensors: biasTensors,
    metadata: (values) => ({
      // 0 is as absent: no scale, and that of the heads.
      attention_multiplier: values['attention.scale'] || headLength(values) ** -0.5,
      embedding_multiplier: values.embedding_scale || 1,
      residual_multiplier: values.residual_scale || 1,
      logits_scaling: values.logit_scale || 1,
    }),
    write: (config) => ({
      ...llamaMetadata({ ...config, head_dim: null }),
      ...llamaOwnMetadata(config),
      'attention.scale': real(config.attention_multiplier),
      embedding_scale: real(config.embedding_multiplier),
      residual_scale: real(config.residual_multiplier),
      logit_scale: real(config.logits_scaling),
    }),
  },
})
