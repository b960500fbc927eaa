import { z } from 'zod'
import { isOneOf } from '../../../formats/foreign/index.ts'
import { activationName } from '../keys/activation-keys.ts'
import { commonKeys, dropout } from '../keys/every-model.ts'
import type { LlamaConfig } from '../keys/llama-keys.ts'
import { count, flag, layerCount, number } from '../keys/values.ts'

/** The keys that config.json of a GPT-2 has. */
export const gpt2Keys = z.object({
  ...commonKeys(50256, 50256),
  vocab_size: count(50257),
  n_positions: count(1024),
  n_embd: count(768),
  n_layer: layerCount(12),
  n_head: count(12),
  /** null: 4 · n_embd. */
  n_inner: z.int().positive().nullable().default(null),
  activation_function: activationName('gelu_new'),
  layer_norm_epsilon: number(1e-5),
  tie_word_embeddings: flag(true),
})

type Gpt2Config = z.output<typeof gpt2Keys>

export const gpt2Unobeyed = {
  attn_pdrop: dropout,
  embd_pdrop: dropout,
  resid_pdrop: dropout,
  scale_attn_weights: { isHarmless: isOneOf(true), expected: 'true' },
  scale_attn_by_inverse_layer_idx: { isHarmless: isOneOf(false), expected: 'false' },
}

/** Of classifiers, and how it was computed once. */
export const gpt2Harmless = [
  'summary_type summary_use_proj summary_activation summary_proj_to_labels summary_first_dropout',
  'n_ctx reorder_and_upcast_attn',
].flatMap((names) => names.split(' '))

/** The same under a Llama's names. */
export function asLlama(config: Gpt2Config): LlamaConfig {
  return {
    vocab_size: config.vocab_size,
    hidden_size: config.n_embd,
    intermediate_size: config.n_inner ?? 4 * config.n_embd,
    num_hidden_layers: config.n_layer,
    num_attention_heads: config.n_head,
    num_key_value_heads: null,
    head_dim: null,
    max_position_embeddings: config.n_positions,
    rms_norm_eps: config.layer_norm_epsilon,
    hidden_act: config.activation_function,
    tie_word_embeddings: config.tie_word_embeddings,
    bos_token_id: config.bos_token_id,
    eos_token_id: config.eos_token_id,
    root: 'transformer',
  }
}
