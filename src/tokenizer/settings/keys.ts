import { z } from 'zod'
import { isJsonObject, isOneOf, type ForeignKeys, type JsonObject } from '../../formats/foreign/index.ts'

/** A token that is matched as a whole, with how it is matched. */
const tokenObject = z.object({
  content: z.string(),
  lstrip: z.boolean().optional(),
  rstrip: z.boolean().optional(),
  single_word: z.boolean().optional(),
  normalized: z.boolean().optional(),
  special: z.boolean().optional(),
})
const token = z.custom<string | z.output<typeof tokenObject>>(
  (value) => typeof value === 'string' || tokenObject.safeParse(value).success,
  'a token: its text, or an object with content and true or false for how it is matched',
)
const tokens = z.union([z.array(token), z.record(z.string(), token)])
const tokenKeys = { obeyed: tokenObject, harmless: ['__type', 'id'] } satisfies ForeignKeys
const eachToken: ForeignKeys = { obeyed: z.object({}), harmless: [], each: tokenKeys }

const named = {
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  unk_token: token.nullish(),
  sep_token: token.nullish(),
  pad_token: token.nullish(),
  cls_token: token.nullish(),
  mask_token: token.nullish(),
  additional_special_tokens: tokens.nullish(),
  extra_special_tokens: tokens.nullish(),
}
const within = {
  ...Object.fromEntries(Object.keys(named).map((name) => [name, tokenKeys])),
  additional_special_tokens: eachToken,
  extra_special_tokens: eachToken,
  added_tokens_decoder: eachToken,
}

const namedTemplates = z.union([
  z.array(z.object({ name: z.string(), template: z.string() })),
  z.record(z.string(), z.string()),
])
const templates = z.custom(
  (value) => typeof value === 'string' || namedTemplates.safeParse(value).success,
  'a template, or a list of templates with name and template',
)

/** Names with spaces between them. */
const words = (text: string): string[] => text.trim().split(/\s+/)

/** In tokens; 10^30 where there is no limit. */
const length = z.custom<number>(
  (value) => typeof value === 'number' && Number.isInteger(value) && value > 0,
  'a whole number above 0',
)

/** What fettle knows of the keys of tokenizer_config.json, those of transformers' classes (5.24). */
export const tokenizerConfigKeys = {
  obeyed: z.object({
    ...named,
    added_tokens_decoder: z
      .record(z.string().regex(/^\d+$/, 'the id of a token as the key'), tokenObject)
      .optional(),
    model_max_length: length.nullish(),
    // Its older name.
    max_len: length.nullish(),
    padding_side: z.enum(['left', 'right']).optional(),
    truncation_side: z.enum(['left', 'right']).optional(),
    clean_up_tokenization_spaces: z.boolean().nullish(),
    chat_template: templates.nullish(),
    tokenizer_class: z.string().nullish(),
  }),
  harmless: [
    // Where it came from, and with what.
    ...words(`
      name_or_path transformers_version tokenizer_file vocab_file merges_file tokenizer_type
      special_tokens_map_file processor_class backend is_local local_files_only use_fast
      files_loaded init_inputs from_slow verbose device_map trust_remote_code vocab_size is_fast
      private revision token cache_dir fast_tokenizer_files _commit_hash
    `),
    // What tokenizer.json says itself; `add_bos_token` and `add_eos_token` are compared with it.
    ...words(`
      add_bos_token add_eos_token add_prefix_space trim_offsets errors legacy unk_id
      sp_model_kwargs spaces_between_special_tokens do_lower_case do_basic_tokenize never_split
      strip_accents tokenize_chinese_chars remove_space keep_accents do_lowercase extra_ids
    `),
    // What callers decide, or what models of text alone have no use for.
    ...words(`
      model_input_names max_length stride truncation_strategy truncation padding
      pad_to_multiple_of pad_token_type_id return_token_type_ids use_default_system_prompt
      language task response_template response_schema model_specific_special_tokens
    `),
  ],
  unobeyed: {
    split_special_tokens: {
      isHarmless: isOneOf(false, null),
      expected: 'false: chats are made of special tokens',
      cure: 'Set it to false, and give encode splitSpecialTokens where a text needs it.',
    },
    auto_map: {
      isHarmless: isOneOf(null),
      expected: 'none: fettle runs no code of a model, and does what tokenizer.json says',
      severity: 'notice',
    },
    fix_mistral_regex: {
      isHarmless: isOneOf(false, null),
      expected: 'false: fettle does what tokenizer.json says',
      cure: 'Save the tokenizer once with transformers, which writes the right pattern.',
      severity: 'notice',
    },
    chat_control_tokens: {
      isHarmless: (value) => value === null || (Array.isArray(value) && value.length === 0),
      expected: 'none: fettle leaves the texts of messages as they are',
      severity: 'notice',
    },
  },
  within,
} satisfies ForeignKeys

/** The same of special_tokens_map.json. */
export const specialTokensMapKeys = { obeyed: z.object(named), harmless: [], within } satisfies ForeignKeys

/** What is known of added_tokens.json, whose keys are tokens. */
export function addedTokensKeys(raw: JsonObject) {
  const ids = Object.keys(raw).map((content) => [content, z.int().min(0)] as const)
  return { obeyed: z.object(Object.fromEntries(ids)), harmless: [] } satisfies ForeignKeys
}

/** Tokens that a model has names of its own for, as `image_token`: special tokens like any other. */
export function modelTokens(raw: JsonObject): string[] {
  const { obeyed, harmless } = tokenizerConfigKeys
  return Object.keys(raw).filter((key) => {
    const isKnown = Object.hasOwn(obeyed.shape, key) || harmless.includes(key)
    const value = raw[key]
    const isTyped = isJsonObject(value) && value.__type === 'AddedToken' && typeof value.content === 'string'
    return key.endsWith('_token') && !isKnown && (typeof value === 'string' || isTyped)
  })
}
