import { defineFamily } from '../family.ts'
import { integers, normMetadata, ropeMetadata, sizeMetadata, whole } from '../gguf/gguf-metadata.ts'
import { headsOf } from '../keys/llama-keys.ts'
import { eachLayer, unless } from '../keys/values.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { lfm2Convolution } from './lfm2-convolution.ts'
import { asLlama, attends, checkLfm2, lfm2Harmless, lfm2Keys } from './lfm2-keys.ts'

const names = {
  attentionNorm: ['operator_norm', 'attn_norm'],
  queryNorm: ['self_attn.q_layernorm', 'attn_q_norm'],
  keyNorm: ['self_attn.k_layernorm', 'attn_k_norm'],
  output: ['self_attn.out_proj', 'attn_output'],
  mlpNorm: ['ffn_norm', 'ffn_norm'],
  gate: ['feed_forward.w1', 'ffn_gate'],
  up: ['feed_forward.w3', 'ffn_up'],
  down: ['feed_forward.w2', 'ffn_down'],
} as const

const theta = 1_000_000

/** LFM2: most layers mix tokens by short convolutions between gates, the others attend (https://arxiv.org/abs/2511.23404). */
export const lfm2 = defineFamily({
  modelType: 'lfm2',
  className: 'Lfm2ForCausalLM',
  classifierName: null,
  keys: lfm2Keys,
  harmless: lfm2Harmless,
  check: checkLfm2,
  describe: (config) =>
    llamaLike(
      asLlama(config),
      (layer) =>
        attends(config, layer) ? { names, headNorms: 'each' } : { names, mixer: lfm2Convolution(config) },
      { theta, names: { norm: ['embedding_norm', 'token_embd_norm'] } },
    ),
  gguf: {
    architecture: 'lfm2',
    obeys: ['shortconv.l_cache'],
    metadata: (values) => {
      const { 'attention.head_count_kv': keyHeads, 'shortconv.l_cache': taps } = values
      return {
        norm_eps: values['attention.layer_norm_rms_epsilon'],
        conv_L_cache: taps,
        // The file has the width itself.
        block_auto_adjust_ff_dim: false,
        ...(Array.isArray(keyHeads) && {
          layer_types: keyHeads.map((count) => (count > 0 ? 'full_attention' : 'conv')),
        }),
      }
    },
    write: (config) => ({
      ...sizeMetadata(asLlama(config)),
      'attention.head_count_kv': integers(
        eachLayer(config, (layer) => (attends(config, layer) ? config.num_key_value_heads : 0)),
      ),
      ...ropeMetadata(config, headsOf(asLlama(config)).headDim, { theta }),
      ...normMetadata(asLlama(config)),
      vocab_size: whole(config.vocab_size),
      'shortconv.l_cache': whole(config.conv_L_cache),
    }),
    lost: (config) => [
      ...unless(!config.conv_bias, 'conv_bias', 'false, as llama.cpp computes'),
      ...unless(
        headsOf(asLlama(config)).headDim * config.num_attention_heads === config.hidden_size,
        'head_dim',
        'hidden_size / num_attention_heads',
      ),
    ],
  },
})
