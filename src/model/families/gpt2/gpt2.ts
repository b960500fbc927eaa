import { positionedEmbedding } from '../../blocks/embedding.ts'
import { layerNorm } from '../../blocks/norm.ts'
import { biases, gain, matrix } from '../../weights/parameters.ts'
import { transposed } from '../../weights/transforms.ts'
import { defineFamily } from '../family.ts'
import { real, sizeMetadata } from '../gguf/gguf-metadata.ts'
import { unless } from '../keys/values.ts'
import type { LlamaLayerOptions } from '../layers/llama-layer.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { asLlama, gpt2Harmless, gpt2Keys, gpt2Unobeyed } from './gpt2-keys.ts'

/** An MLP without gates, and weights stored as [inputs, outputs]. */
const layerOptions: LlamaLayerOptions = {
  biases: { qkv: true, output: true, mlp: true },
  isFused: true,
  hasGatedMlp: false,
  rotates: false,
  transform: transposed,
  names: {
    attentionNorm: ['ln_1', 'attn_norm'],
    qkv: ['attn.c_attn', 'attn_qkv'],
    output: ['attn.c_proj', 'attn_output'],
    mlpNorm: ['ln_2', 'ffn_norm'],
    up: ['mlp.c_fc', 'ffn_up'],
    down: ['mlp.c_proj', 'ffn_down'],
  },
}

/** GPT-2: learned positions and layer norms (Radford et al. 2019). */
export const gpt2 = defineFamily({
  modelType: 'gpt2',
  className: 'GPT2LMHeadModel',
  keys: gpt2Keys,
  layersKey: 'n_layer',
  harmless: gpt2Harmless,
  unobeyed: gpt2Unobeyed,
  check: ({ n_embd, n_head }) => unless(n_embd % n_head === 0, 'n_head', `a divisor of n_embd, ${n_embd}`),
  describe(config) {
    const { n_embd: width, n_positions: rows, layer_norm_epsilon: eps } = config
    const module = { safetensors: 'transformer.wpe', gguf: 'position_embd' }
    return llamaLike(asLlama(config), () => layerOptions, {
      names: { embedding: 'wte', layers: 'h', norm: ['ln_f', 'output_norm'] },
      embed: (table) => positionedEmbedding(table, matrix('matrix', width, [{ module, rows }])),
      norm: (named) => layerNorm(gain(named, width), biases([{ module: named, rows: width }]), eps),
    })
  },
  gguf: {
    architecture: 'gpt2',
    obeys: ['attention.layer_norm_epsilon'],
    metadata: (values) => ({
      n_positions: values.context_length,
      n_embd: values.embedding_length,
      n_layer: values.block_count,
      n_head: values['attention.head_count'],
      n_inner: values.feed_forward_length,
      activation_function: 'gelu_new',
      layer_norm_epsilon: values['attention.layer_norm_epsilon'],
    }),
    write(config) {
      const { 'attention.head_count_kv': _, ...sizes } = sizeMetadata(asLlama(config))
      return { ...sizes, 'attention.layer_norm_epsilon': real(config.layer_norm_epsilon) }
    },
  },
})
