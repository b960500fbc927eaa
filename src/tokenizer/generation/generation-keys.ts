import { z } from 'zod'
import type { Problem } from '../../error.ts'
import { quoteValue } from '../../error.ts'
import { isOneOf } from '../../formats/foreign/index.ts'
import type { ForeignKeys, JsonObject, UnobeyedKey } from '../../formats/foreign/index.ts'

const id = () => z.int().min(0)
const ids = () => z.union([id(), z.array(id())])
const count = () => z.int().min(0).nullish()
const number = () => z.number().nullish()

/** The tokens that end an answer; some files have −1 for none. One that is no id would never end it. */
const endTokens = z
  .custom<number | number[]>(
    (value) => [value].flat().every(Number.isInteger),
    'the id of a token, or a list of ids',
  )
  .nullish()

/** What another way of decoding is not. */
function without(expected: string, ...harmless: readonly unknown[]): UnobeyedKey {
  return {
    isHarmless: isOneOf(null, ...harmless),
    expected,
    cure: 'Take the key out of the file, or answer without the file: --ignore-generation-config.',
    // It matters to answers only, not to training.
    severity: 'notice',
  }
}

/** What fettle knows of the keys of generation_config.json, those of transformers' class (5.24). */
export const generationKeys = {
  obeyed: z.object({
    eos_token_id: endTokens,
    bos_token_id: z.union([z.int(), z.array(z.int()).min(1)]).nullish(),
    pad_token_id: z.int().nullish(),
    do_sample: z.boolean().nullish(),
    temperature: number(),
    top_k: count(),
    top_p: number(),
    min_p: number(),
    repetition_penalty: number(),
    max_new_tokens: count(),
    max_length: count(),
    min_new_tokens: count(),
    min_length: count(),
    suppress_tokens: z.array(id()).nullish(),
    begin_suppress_tokens: z.array(id()).nullish(),
    bad_words_ids: z.array(z.array(id()).min(1)).nullish(),
    no_repeat_ngram_size: count(),
    stop_strings: z.union([z.string().min(1), z.array(z.string().min(1))]).nullish(),
    forced_bos_token_id: id().nullish(),
    forced_eos_token_id: ids().nullish(),
  }),
  harmless: [
    '_from_model_config',
    'transformers_version',
    // How it is computed, not what.
    'use_cache',
    'cache_implementation',
    'cache_config',
    'max_cache_len',
    'low_memory',
    'prefill_chunk_size',
    'compile_config',
    'disable_compile',
    'continuous_batching_config',
    // Guesses change nothing but the time.
    'use_mtp',
    'is_assistant',
    'num_assistant_tokens',
    'num_assistant_tokens_schedule',
    'assistant_confidence_threshold',
    'assistant_early_exit',
    'assistant_lookbehind',
    'assistant_ensemble_weight',
    'target_lookbehind',
    'speculation_type',
    'prompt_lookup_num_tokens',
    'max_matching_ngram_size',
    // What is returned beside the tokens.
    'output_attentions',
    'output_hidden_states',
    'output_scores',
    'output_logits',
    'return_dict_in_generate',
    // Of beams, of encoders, or of what fettle makes an error of: NaN.
    'length_penalty',
    'early_stopping',
    'renormalize_logits',
    'decoder_start_token_id',
    'remove_invalid_values',
  ],
  unobeyed: {
    num_beams: without('1: fettle has no beam search', 1),
    num_beam_groups: without('1: fettle has no beam search', 1),
    diversity_penalty: without('0: fettle has no beam search', 0),
    num_return_sequences: without('1: a prompt is answered once', 1),
    penalty_alpha: without('0: fettle has no contrastive search', 0),
    typical_p: without('1: fettle draws by top_k, top_p and min_p', 1),
    epsilon_cutoff: without('0: fettle draws by top_k, top_p and min_p', 0),
    eta_cutoff: without('0: fettle draws by top_k, top_p and min_p', 0),
    top_h: without('null: fettle draws by top_k, top_p and min_p'),
    encoder_repetition_penalty: without('1: fettle has repetition_penalty', 1),
    encoder_no_repeat_ngram_size: without('0: fettle has no_repeat_ngram_size', 0),
    exponential_decay_length_penalty: without('null'),
    sequence_bias: without('null: fettle has suppress_tokens and bad_words_ids'),
    constraints: without('null'),
    force_words_ids: without('null'),
    forced_decoder_ids: without('null'),
    guidance_scale: without('1', 1),
    dola_layers: without('null'),
    token_healing: without('false', false),
    watermarking_config: without('null'),
    max_time: without('null: fettle ends by tokens'),
  },
} satisfies ForeignKeys

/** What a generation_config.json asks for that fettle does not do. */
export function unobeyedSettings(raw: JsonObject, place: string): Problem[] {
  const unobeyed: Readonly<Record<string, UnobeyedKey>> = generationKeys.unobeyed
  return Object.entries(raw).flatMap(([key, value]): Problem[] => {
    const known = Object.hasOwn(unobeyed, key) ? unobeyed[key] : undefined
    if (!known || known.isHarmless(value, raw)) return []
    const { expected, cure } = known
    return [{ place, found: `${key}: ${quoteValue(value)}`, expected, ...(cure !== undefined && { cure }) }]
  })
}
