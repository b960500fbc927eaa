import { defineFamily } from './family.ts'
import { llamaMetadata, llamaOwnMetadata, withHeads } from './gguf-metadata.ts'
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
}).extend({ attention_bias: flag(false), mlp_bias: flag(false) })

/** Llama 1 to 3 (Touvron et al. 2023, https://arxiv.org/abs/2302.13971), and everything that says it is one. */
export const llama = defineFamily({
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  keys,
  unobeyed: noWindow,
  check: (config) => [
    ...(config.hidden_size % config.num_attention_heads === 0
      ? []
      : [{ key: 'num_attention_heads', expected: `a divisor of hidden_size, ${config.hidden_size}` }]),
    ...checkLlama(config, null),
  ],
  describe: (config) =>
    llamaLike(config, () => ({
      biases: { qkv: config.attention_bias, output: config.attention_bias, mlp: config.mlp_bias },
      ggufInterleaves: true,
    })),
  gguf: {
    architecture: 'llama',
    tensors: { attention_bias: 'blk.0.attn_q.bias', mlp_bias: 'blk.0.ffn_gate.bias' },
    write: (config) => ({ ...llamaMetadata(withHeads(config)), ...llamaOwnMetadata(config) }),
  },
})
