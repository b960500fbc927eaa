import { AutoTokenizer } from '../../../src/index.ts'
import type { Random } from '../mutate/random.ts'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileTarget } from './file-target.ts'
import { mutateJsonFile } from './model-files.ts'
import { mutateBytes } from '../mutate/bytes.ts'
import { mutateJson } from '../mutate/json.ts'
import { fixture, tinyModel } from './seeds.ts'

const kinds = ['bytebpe-gpt2', 'bytebpe-qwen', 'spbpe-llama2', 'unigram-t5', 'wordpiece-uncased']
const seeds = [
  ...kinds.flatMap((kind) => [fixture(`tokenizers/${kind}`), fixture(`tokenizers/${kind}/with_added`)]),
  tinyModel,
]
const texts = [
  'Hello wörld, 12 apples\n\n  🙂 don’t <s>x</s>',
  '',
  ' ',
  `${'a'.repeat(3000)}!`,
  `${' '.repeat(3000)}x`,
  '<|im_start|>user\nhi<|im_end|>\n',
]

const components = [
  ...['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents', 'Nmt', 'ByteLevel'].map((type) => ({
    type,
  })),
  { type: 'Strip', strip_left: true, strip_right: true },
  { type: 'Prepend', prepend: '' },
  { type: 'Prepend', prepend: '▁' },
  { type: 'Replace', pattern: { String: '' }, content: 'x' },
  { type: 'Replace', pattern: { Regex: '' }, content: 'x' },
  { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' },
  { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  { type: 'Precompiled', precompiled_charsmap: '' },
  { type: 'Precompiled', precompiled_charsmap: 'AAAA' },
  {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  { type: 'Sequence', normalizers: [] },
  { type: 'Sequence', pretokenizers: [] },
  { type: 'Sequence', decoders: [] },
  ...[
    'BertPreTokenizer',
    'Whitespace',
    'WhitespaceSplit',
    'UnicodeScripts',
    'Fuse',
    'ByteFallback',
    'BPEDecoder',
  ].map((type) => ({ type })),
  { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  { type: 'Digits', individual_digits: true },
  { type: 'FixedLength', length: 0 },
  { type: 'FixedLength', length: 3 },
  { type: 'Punctuation', behavior: 'Isolated' },
  { type: 'CharDelimiterSplit', delimiter: '-' },
  { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  ...['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'].map((behavior) => ({
    type: 'Split',
    pattern: { Regex: '\\s+|(a+)+$' },
    behavior,
    invert: false,
  })),
  {
    type: 'Split',
    pattern: { Regex: '(?>a+)b|(?i:X)|\\p{Han}++|(?=b)' },
    behavior: 'Isolated',
    invert: true,
  },
  { type: 'Split', pattern: { String: '' }, behavior: 'Isolated', invert: false },
  { type: 'TemplateProcessing', single: [], pair: [], special_tokens: {} },
  { type: 'BertProcessing', sep: ['x', 1], cls: ['y', 2] },
  { type: 'RobertaProcessing', sep: ['x', 1], cls: ['y', 2], trim_offsets: true, add_prefix_space: true },
  { type: 'WordPiece', prefix: '##', cleanup: true },
  { type: 'CTC', pad_token: 'x', word_delimiter_token: '|', cleanup: true },
  { type: 'Strip', content: ' ', start: 1, stop: 1000000 },
].map((component) => JSON.stringify(component))

async function useTokenizer(folder: string): Promise<string> {
  const tokenizer = await AutoTokenizer.fromPretrained(folder)
  const encoded = await tokenizer.encode(texts, { padding: tokenizer.padToken !== null })
  const decoded = encoded.inputIds.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: true }))
  const chat =
    tokenizer.chatTemplate === null
      ? ''
      : tokenizer.applyChatTemplate([{ role: 'user', content: 'hi' }], { addGenerationPrompt: true })
  return JSON.stringify([encoded.inputIds, decoded, chat])
}

export const tokenizer = fileTarget({
  name: 'tokenizer',
  seeds,
  file: 'tokenizer.json',
  // Legal but odd components are half of the odd values.
  mutate: (random: Random, bytes: Uint8Array) =>
    random.next() < 0.1
      ? mutateBytes(random, bytes, 3000)
      : mutateJson(random, Buffer.from(bytes).toString(), (odd) => odd.of(components)),
  use: useTokenizer,
})

export const tokenizerConfig = fileTarget({
  name: 'tokenizer-config',
  seeds,
  file: 'tokenizer_config.json',
  mutate: mutateJsonFile,
  use: useTokenizer,
})

export const specialTokensMap = fileTarget({
  name: 'special-tokens-map',
  seeds: seeds.slice(0, 5),
  file: 'special_tokens_map.json',
  mutate: mutateJsonFile,
  use: useTokenizer,
  prepare: (folder) =>
    writeFile(
      join(folder, 'special_tokens_map.json'),
      JSON.stringify({
        bos_token: { content: '<s>', lstrip: false, normalized: false, rstrip: false, single_word: false },
        eos_token: '</s>',
        pad_token: '</s>',
        additional_special_tokens: ['<s>', { content: '</s>', lstrip: true }],
      }),
    ),
})
