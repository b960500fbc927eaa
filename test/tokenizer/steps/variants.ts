import { join } from 'node:path'
import { textOf } from '../../../src/tokenizer/files.ts'
import { isJsonObject, type JsonObject } from '../../../src/tokenizer/json.ts'
import { readGgufTokenizerFiles } from '../../../src/tokenizer/node/gguf/gguf-tokenizer.ts'
import { preTokenizers } from '../../../src/tokenizer/node/gguf/pre-tokenizers.ts'
import { fixtures, tokenizerCases } from '../golden.ts'
import {
  bert,
  byteLevel,
  bytes,
  gpt2,
  llama2,
  modelOf,
  normalizer,
  o200k,
  pieces,
  preTokenizer,
  qwen,
  read,
  regex,
  sequence,
  split,
  t5,
  type Parts,
} from './parts.ts'

/** Kimi's, with an intersection, and patterns with what else published tokenizers use. */
const patterns: readonly string[] = [
  String.raw`[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
  String.raw` ?[^(\s|[.,!?…。，、।۔،])]+`,
  String.raw`(?>\s+)\S|(?<=\d)\d{2}|\d{2,}?|\w+|\W`,
  String.raw`[\x{4e00}-\x{9fa5}]+|[\u3040-ゟ゠-ヿ]{2,}|\p{^L}\P{N}|\p{Cyrillic}+|\p{Greek}|\h{4}|\H`,
  String.raw`[^\W\d_]+|\p{Ll}\p{Lo}?|\p{Cn}|\p{C}+|.`,
  String.raw`(?:\r?\n)+(?!\r?\n)|[\p{P}\p{S}\-\]\[^]+|(a|e|o)l*?`,
]

/** Those of GGUF files, each once. */
const distinctPatterns = [
  ...new Map([...preTokenizers].map((entry) => [entry[1].splits.join(), entry])).values(),
]

/** A BPE tokenizer without the tokens that have some characters. */
function without(json: JsonObject, characters: RegExp): Parts {
  const { vocab, merges, ...model } = modelOf(json)
  const kept = Object.entries(isJsonObject(vocab) ? vocab : {}).filter(([token]) => !characters.test(token))
  const lists: unknown[] = Array.isArray(merges) ? merges : []
  return {
    ...json,
    model: {
      ...model,
      vocab: Object.fromEntries(kept),
      merges: lists.filter((merge) => !characters.test(String(merge))),
    },
  }
}

/** Tokenizers with every part that is written in JavaScript, in every form. */
export const variants: readonly (readonly [string, Parts])[] = [
  ...tokenizerCases.flatMap(
    (name) =>
      [
        [name, read(name)],
        [`${name} with added tokens`, read(join(name, 'with_added'))],
      ] as const,
  ),
  ...['qwen', 'llama', 'smollm'].map(
    (name) =>
      [
        `${name}.gguf`,
        JSON.parse(
          textOf(readGgufTokenizerFiles(join(fixtures, 'gguf', `${name}.gguf`)).tokenizerJson),
        ) as JsonObject,
      ] as const,
  ),
  ...['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'ByteLevel'].map(
    (type) =>
      [
        type,
        type === 'ByteLevel' ? bytes({ normalizer: { type }, pre_tokenizer: null }) : normalizer(type),
      ] as const,
  ),
  ['Strip', normalizer('Strip', { strip_left: true, strip_right: true })],
  ['Strip left', normalizer('Strip', { strip_left: true, strip_right: false })],
  ['Replace', normalizer('Replace', { pattern: { String: 'll' }, content: '→→→' })],
  ['Replace a pattern', normalizer('Replace', { ...regex(String.raw`\s{2,}|e`), content: '' })],
  ['Precompiled', normalizer('Precompiled', (t5.normalizer as { normalizers: object[] }).normalizers[0])],
  [
    'several normalizers',
    normalizer('Sequence', {
      normalizers: [
        { type: 'NFKD' },
        { type: 'Prepend', prepend: '▁▁' },
        { type: 'Lowercase' },
        { type: 'NFC' },
      ],
    }),
  ],
  [
    'BertNormalizer',
    normalizer('BertNormalizer', {
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    }),
  ],
  [
    'BertNormalizer, cased',
    normalizer('BertNormalizer', {
      clean_text: false,
      handle_chinese_chars: true,
      strip_accents: true,
      lowercase: false,
    }),
  ],
  ...['always', 'first', 'never'].map(
    (prepend_scheme) =>
      [
        `Metaspace ${prepend_scheme}`,
        preTokenizer('Metaspace', { replacement: '▁', prepend_scheme, split: prepend_scheme !== 'first' }),
      ] as const,
  ),
  ['Digits', preTokenizer('Digits', { individual_digits: true })],
  ['Digits together', preTokenizer('Digits', { individual_digits: false })],
  ['Whitespace', preTokenizer('Whitespace')],
  ['WhitespaceSplit', preTokenizer('WhitespaceSplit')],
  ['BertPreTokenizer', preTokenizer('BertPreTokenizer')],
  ['CharDelimiterSplit', preTokenizer('CharDelimiterSplit', { delimiter: 'l' })],
  ...['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'].flatMap((behavior) => [
    [`Punctuation ${behavior}`, preTokenizer('Punctuation', { behavior })] as const,
    [`Split ${behavior}`, pieces({ pre_tokenizer: split({ pattern: { String: ' ' } }, behavior) })] as const,
    [
      `Split the other way round ${behavior}`,
      pieces({ pre_tokenizer: split(regex(String.raw`\p{L}+`), behavior, true) }),
    ] as const,
  ]),
  [
    'ByteLevel with a space',
    pieces({ pre_tokenizer: { ...byteLevel, add_prefix_space: true, use_regex: true } }),
  ],
  [
    'several pre-tokenizers',
    pieces({
      pre_tokenizer: sequence(
        { type: 'WhitespaceSplit' },
        { type: 'Metaspace', replacement: '▁' },
        { type: 'Punctuation' },
        byteLevel,
      ),
    }),
  ],
  ...patterns.map(
    (pattern) => [`pattern ${pattern}`, pieces({ pre_tokenizer: split(regex(pattern)) })] as const,
  ),
  ...distinctPatterns.map(
    ([name, { splits }]) =>
      [
        `patterns of ${name}`,
        pieces({ pre_tokenizer: sequence(...splits.map((Regex) => split(regex(Regex)))) }),
      ] as const,
  ),
  [
    'BPE that keeps wholes',
    {
      ...qwen,
      model: { ...modelOf(qwen), ignore_merges: true },
      pre_tokenizer: sequence(split(regex(o200k)), byteLevel),
    },
  ],
  [
    'BPE with an end of words',
    pieces({
      normalizer: { type: 'Lowercase' },
      pre_tokenizer: { type: 'Whitespace' },
      model: {
        type: 'BPE',
        unk_token: '?',
        fuse_unk: true,
        end_of_word_suffix: '</w>',
        vocab: Object.fromEntries(
          ['?', 'l', 'o', 'd', 'd</w>', 'ld</w>', 'lo', 'o</w>', 'll', 'llo</w>', 'e', 'he', 'h'].map(
            (t, i) => [t, i],
          ),
        ),
        merges: ['l l', 'h e', 'll o</w>', 'l d</w>', 'l o'],
      },
    }),
  ],
  [
    'BPE with a prefix',
    pieces({
      pre_tokenizer: { type: 'Whitespace' },
      model: {
        type: 'BPE',
        unk_token: '?',
        continuing_subword_prefix: '##',
        vocab: Object.fromEntries(
          ['?', 'H', '##e', '##l', '##o', 'He', '##ll', 'Hell', '##lo', 'w', '##r', '##d', '##ld'].map(
            (t, i) => [t, i],
          ),
        ),
        merges: [
          ['H', '##e'],
          ['##l', '##l'],
          ['He', '##ll'],
          ['##l', '##o'],
          ['##l', '##d'],
        ],
      },
    }),
  ],
  // As SmolLM2's vocabulary lacks control characters.
  ['BPE that loses characters', without(qwen, /[łĀď9é]/)],
  ['BPE without bytes', { ...llama2, model: { ...modelOf(llama2), byte_fallback: false } }],
  [
    'BPE, each unknown by itself',
    { ...llama2, model: { ...modelOf(llama2), byte_fallback: false, fuse_unk: false } },
  ],
  [
    'Unigram with bytes',
    {
      ...t5,
      model: {
        ...modelOf(t5),
        byte_fallback: true,
        vocab: [
          ...(modelOf(t5).vocab as unknown[]),
          ...Array.from({ length: 256 }, (_, i) => [
            `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`,
            -20,
          ]),
        ],
      },
    },
  ],
  ['Unigram over whole texts', { ...t5, pre_tokenizer: null }],
  ['WordPiece with short words', { ...bert, model: { ...modelOf(bert), max_input_chars_per_word: 3 } }],
  [
    'BertProcessing',
    { ...bert, post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] } },
  ],
  [
    'RobertaProcessing',
    {
      ...gpt2,
      pre_tokenizer: { ...byteLevel, add_prefix_space: true, use_regex: true },
      post_processor: {
        type: 'RobertaProcessing',
        sep: ['</s>', 7],
        cls: ['<s>', 8],
        trim_offsets: true,
        add_prefix_space: true,
      },
    },
  ],
  [
    'several post-processors',
    {
      ...qwen,
      post_processor: {
        type: 'Sequence',
        processors: [{ ...byteLevel, add_prefix_space: true }, t5.post_processor],
      },
    },
  ],
  ['no post-processor', { ...gpt2, post_processor: null }],
]
