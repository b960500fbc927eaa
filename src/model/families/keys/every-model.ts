import { z } from 'zod'
import type { ForeignKeys, UnobeyedKey } from '../../../formats/foreign/index.ts'
import { isOneOf } from '../../../formats/foreign/index.ts'

/** Keys that config.json of every model has, with the ids of the class that writes it, where it has some. */
export const commonKeys = (bos: number | null, eos: number | null) => ({
  bos_token_id: z.int().nullable().default(bos),
  eos_token_id: z
    .union([z.int(), z.array(z.int())])
    .nullable()
    .default(eos),
})

export type CommonConfig = z.output<z.ZodObject<ReturnType<typeof commonKeys>>>

/** Keys that Transformers writes into every config.json, now or once, and that change nothing that fettle computes. */
export const commonHarmless: readonly string[] = [
  // What reads them: this room, the reader of weights, the tokenizer.
  'model_type quantization_config quantization pad_token_id initializer_range tokenizer_class',
  // Where the file comes from.
  'architectures transformers_version _name_or_path name_or_path _commit_hash auto_map dtype torch_dtype',
  'unsloth_version unsloth_fixed transformers.js_config is_llama_config max_window_layers',
  // How Transformers computes, not what.
  'use_cache pretraining_tp torchscript use_bfloat16 tf_legacy_loss return_dict output_attentions',
  'output_hidden_states tie_last_hidden_states chunk_size_feed_forward pruned_heads attn_implementation',
  '_attn_implementation _attn_implementation_autoset experts_implementation',
  // Encoders, classifiers, tasks.
  'is_decoder add_cross_attention cross_attention_hidden_size tie_encoder_decoder decoder_start_token_id',
  'id2label label2id num_labels problem_type finetuning_task task_specific_params prefix',
  'sep_token_id cls_token_id mask_token_id unk_token_id',
  // Generation, which Transformers 5 reads from generation_config.json only.
  'max_length min_length max_new_tokens min_new_tokens do_sample early_stopping num_beams num_beam_groups',
  'diversity_penalty temperature top_k top_p min_p typical_p length_penalty repetition_penalty',
  'no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids suppress_tokens begin_suppress_tokens',
  'num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id',
  'remove_invalid_values exponential_decay_length_penalty',
].flatMap((names) => names.split(' '))

/** A key of relatives that a class does not have: Transformers computes without it, too. */
const ofRelatives: UnobeyedKey = {
  isHarmless: isOneOf(false, null),
  expected: 'false: the class of this model_type does not have it',
  severity: 'notice',
}

/** Keys that change what is computed, in a way that no family of fettle has, or not the one that does not obey them. */
export const commonUnobeyed: NonNullable<ForeignKeys['unobeyed']> = {
  attention_bias: ofRelatives,
  mlp_bias: ofRelatives,
  qkv_bias: ofRelatives,
  use_qk_norm: ofRelatives,
  use_mrope: ofRelatives,
  use_sliding_window: ofRelatives,
  rope_interleaved: ofRelatives,
  is_encoder_decoder: { isHarmless: isOneOf(false), expected: 'false: a decoder only' },
  is_causal: { isHarmless: isOneOf(true), expected: 'true: each token sees those before it' },
  per_layer_config: {
    isHarmless: (value) => value === null || JSON.stringify(value) === '{}',
    expected: 'the same numbers for every layer',
  },
  attention_dropout: {
    isHarmless: isOneOf(0, null),
    expected: '0: fettle trains without dropout in the attention; nothing else changes',
    severity: 'notice',
  },
}

/** A probability that something is dropped in training. */
export const dropout: UnobeyedKey = {
  isHarmless: isOneOf(0),
  expected: '0: fettle trains without this dropout; nothing else changes',
  severity: 'notice',
}

/** Keys of families whose MLPs are experts. */
export const routerUnobeyed: NonNullable<ForeignKeys['unobeyed']> = {
  router_jitter_noise: {
    isHarmless: isOneOf(0, null),
    expected: '0: fettle trains without noise before the router; nothing else changes',
    severity: 'notice',
  },
}

/** `sliding_window` of a family that has no windows. */
export const noWindow: NonNullable<ForeignKeys['unobeyed']> = {
  sliding_window: {
    isHarmless: (value, { max_position_embeddings: positions = 2048 }) =>
      value === null || Number(value) >= Number(positions),
    expected: 'null: each layer sees everything',
  },
}
