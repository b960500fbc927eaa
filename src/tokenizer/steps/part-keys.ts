import { isJsonObject, type JsonObject } from '../json.ts'

/*
 * The keys of a tokenizer.json. The Rust library reads past others without a word; so does fettle, but names them: who wrote one
 * meant something by it.
 */

/** The steps of a text, each under its key, with the key of the parts that a `Sequence` of them has. */
const sequenceKeys = {
  normalizer: 'normalizers',
  pre_tokenizer: 'pretokenizers',
  post_processor: 'processors',
  decoder: 'decoders',
} as const
type Step = keyof typeof sequenceKeys

/** Of each type of part the keys that are read, or that older versions wrote of what others say. */
const stepKeys: Readonly<Record<Step, Readonly<Record<string, readonly string[]>>>> = {
  normalizer: {
    Replace: ['pattern', 'content'],
    Prepend: ['prepend'],
    Strip: ['strip_left', 'strip_right'],
    Precompiled: ['precompiled_charsmap'],
    BertNormalizer: ['clean_text', 'handle_chinese_chars', 'strip_accents', 'lowercase'],
  },
  pre_tokenizer: {
    ByteLevel: ['add_prefix_space', 'trim_offsets', 'use_regex'],
    Metaspace: ['replacement', 'prepend_scheme', 'split', 'add_prefix_space', 'str_rep'],
    Split: ['pattern', 'behavior', 'invert'],
    Digits: ['individual_digits'],
    Punctuation: ['behavior'],
    CharDelimiterSplit: ['delimiter'],
    FixedLength: ['length'],
  },
  post_processor: {
    ByteLevel: ['add_prefix_space', 'trim_offsets', 'use_regex'],
    TemplateProcessing: ['single', 'pair', 'special_tokens'],
    BertProcessing: ['sep', 'cls'],
    RobertaProcessing: ['sep', 'cls', 'trim_offsets', 'add_prefix_space'],
  },
  decoder: {
    ByteLevel: ['add_prefix_space', 'trim_offsets', 'use_regex'],
    Metaspace: ['replacement', 'prepend_scheme', 'split', 'add_prefix_space', 'str_rep'],
    Replace: ['pattern', 'content'],
    Strip: ['content', 'start', 'stop'],
    WordPiece: ['prefix', 'cleanup'],
    BPEDecoder: ['suffix'],
    CTC: ['pad_token', 'word_delimiter_token', 'cleanup'],
  },
}
const flags = ['dropout', 'unk_token', 'continuing_subword_prefix', 'end_of_word_suffix']
const modelKeys: Readonly<Record<string, readonly string[]>> = {
  BPE: [...flags, 'fuse_unk', 'byte_fallback', 'ignore_merges', 'vocab', 'merges'],
  Unigram: ['unk_id', 'vocab', 'byte_fallback'],
  WordPiece: ['unk_token', 'continuing_subword_prefix', 'max_input_chars_per_word', 'vocab'],
  WordLevel: ['vocab', 'unk_token'],
}
const tokenKeys = ['id', 'content', 'single_word', 'lstrip', 'rstrip', 'normalized', 'special']

/** The keys of tokenizer.json itself; the Rust library refuses others. */
export const tokenizerKeys: readonly string[] = [
  'version',
  'truncation',
  'padding',
  'added_tokens',
  'model',
  ...Object.keys(sequenceKeys),
]

/** Where the parts of a tokenizer.json have keys that nothing reads. */
export function unreadKeys(json: JsonObject): string[] {
  const found: string[] = []
  const look = (object: unknown, known: readonly string[], place: string): void => {
    if (!isJsonObject(object)) return
    for (const key of Object.keys(object)) if (!known.includes(key)) found.push(`${place}.${key}`)
  }
  const each = (list: unknown, visit: (entry: unknown, place: string) => void, place: string): void => {
    if (Array.isArray(list)) list.forEach((entry, i) => visit(entry, `${place}[${i}]`))
    else if (isJsonObject(list))
      for (const [key, entry] of Object.entries(list)) visit(entry, `${place}.${key}`)
  }
  const lookAtStep = (step: Step, part: unknown, place: string): void => {
    if (!isJsonObject(part)) return
    const inner = sequenceKeys[step]
    const type = typeof part.type === 'string' ? part.type : ''
    if (type === 'Sequence') {
      look(part, ['type', inner], place)
      each(part[inner], (one, at) => lookAtStep(step, one, at), `${place}.${inner}`)
      return
    }
    look(part, ['type', ...(stepKeys[step][type] ?? [])], place)
    if (type !== 'TemplateProcessing') return
    for (const key of ['single', 'pair'])
      each(
        part[key],
        (piece, at) => each(piece, (one, name) => look(one, ['id', 'type_id'], name), at),
        `${place}.${key}`,
      )
    each(
      part.special_tokens,
      (token, at) => look(token, ['id', 'ids', 'tokens'], at),
      `${place}.special_tokens`,
    )
  }
  for (const step of Object.keys(sequenceKeys) as Step[]) lookAtStep(step, json[step], step)
  if (isJsonObject(json.model))
    look(
      json.model,
      ['type', ...(modelKeys[String(json.model.type)] ?? Object.values(modelKeys).flat())],
      'model',
    )
  each(json.added_tokens, (token, at) => look(token, tokenKeys, at), 'added_tokens')
  return found
}
