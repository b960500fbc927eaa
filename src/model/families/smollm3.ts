import { z } from 'zod'
import { defineFamily } from './family.ts'
import { count, flag, number, optionalCount } from './keys.ts'
import { llamaKeys, llamaLike } from './llama-like.ts'

const keys = llamaKeys({
  vocabSize: 128_256,
  hiddenSize: 2048,
  intermediateSize: 11008,
  layers: 36,
  heads: 16,
  keyHeads: 4,
  maxPositions: 32768,
  tied: true,
  bos: 128_000,
  eos: 128_001,
}).extend({
  rope_theta: number(2_000_000),
  /** 1: the layer rotates queries and keys; 0: it knows no positions. */
  no_rope_layers: z.array(z.int()).nullish(),
  no_rope_layer_interval: count(4),
  use_sliding_window: flag(false),
  sliding_window: optionalCount(null),
  layer_types: z.array(z.string()).nullish(),
  attention_bias: flag(false),
  mlp_bias: flag(false),
})

/** SmolLM3: a Llama in which every fourth layer knows no positions (https://huggingface.co/blog/smollm3). */
export const smollm3 = defineFamily({
  modelType: 'smollm3',
  className: 'SmolLM3ForCausalLM',
  keys,
  describe: (config) =>
    llamaLike(config, (layer) => {
      const given = config.no_rope_layers?.[layer]
      const rotates = given === undefined ? (layer + 1) % config.no_rope_layer_interval !== 0 : given !== 0
      const type = config.layer_types?.[layer] ?? (rotates ? 'full_attention' : 'sliding_attention')
      return {
        biases: { qkv: config.attention_bias, output: config.attention_bias, mlp: config.mlp_bias },
        window: config.use_sliding_window && type === 'sliding_attention' ? config.sliding_window : null,
        rotates,
        ggufInterleaves: true,
      }
    }),
  gguf: {
    architecture: 'smollm3',
    tensors: { attention_bias: 'blk.0.attn_q.bias', mlp_bias: 'blk.0.ffn_gate.bias' },
  },
})
