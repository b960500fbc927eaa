import { z } from 'zod'
import { defineFamily } from './family.ts'
import { headLength } from './gguf-keys.ts'
import { llamaMetadata, llamaOwnMetadata, real } from './gguf-metadata.ts'
import { flag, noWindow } from './keys.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'

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
  attention_bias: flag(false),
  mlp_bias: flag(false),
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
        biases: { qkv: config.attention_bias, output: config.attention_bias, mlp: config.mlp_bias },
        scale: config.attention_multiplier,
        residualScale: config.residual_multiplier,
        ggufInterleaves: true,
      }),
      {
        embeddingScale: { factor: config.embedding_multiplier, isRounded: false },
        logits: { scale: 1 / config.logits_scaling, cap: 0 },
      },
    ),
  gguf: {
    architecture: 'granite',
    obeys: ['attention.scale', 'embedding_scale', 'residual_scale', 'logit_scale'],
    tensors: { attention_bias: 'blk.0.attn_q.bias', mlp_bias: 'blk.0.ffn_gate.bias' },
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
