import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { LearnedSpan } from '../../src/chat/index.ts'
import { createRandom } from '../../src/random.ts'
import { encodeTextsWithSpans } from '../../src/tokenizer/encoding/encode-with-spans.ts'
import { textOf, type TokenizerFiles } from '../../src/tokenizer/files.ts'
import { readKnownTokens } from '../../src/tokenizer/known-tokens.ts'
import { readGgufTokenizerFiles } from '../../src/tokenizer/node/gguf/gguf-tokenizer.ts'
import { readTokenizerFiles } from '../../src/tokenizer/node/read-files.ts'
import type { BackendEncoding } from '../../src/tokenizer/backend.ts'
import { encodingLocator, mapSpans } from '../../src/tokenizer/encoding/token-spans.ts'
import { fixtures } from './golden.ts'
import { makeOracle, type Lists } from './oracle/rust.ts'

const llama3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }

/** A tokenizer with its pre-tokenizer and post-processor replaced, as other models have them. */
async function variant(name: string, changes: object): Promise<TokenizerFiles> {
  const files = await readTokenizerFiles(join(fixtures, name))
  const json: object = JSON.parse(textOf(files.tokenizerJson))
  return { ...files, tokenizerJson: JSON.stringify({ ...json, ...changes }) }
}

/** A tokenizer with further special tokens. */
async function withTokens(name: string, tokens: readonly string[]): Promise<TokenizerFiles> {
  const files = await readTokenizerFiles(join(fixtures, name))
  return { ...files, config: { ...files.config, additional_special_tokens: tokens } }
}

const folder = (name: string) => readTokenizerFiles(join(fixtures, name))
const smolLm = {
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel],
  },
}
const llama = {
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: llama3 }, behavior: 'Isolated', invert: false },
      { ...byteLevel, use_regex: false },
    ],
  },
  post_processor: { type: 'Sequence', processors: [{ ...byteLevel, trim_offsets: false }] },
}
const tokenizers: readonly (readonly [string, TokenizerFiles])[] = [
  ['GPT-2', await folder('bytebpe-gpt2')],
  ['Qwen', await folder('bytebpe-qwen')],
  ['the demo', await readTokenizerFiles('assets/tiny-llama')],
  ['Qwen as GGUF', readGgufTokenizerFiles(join(fixtures, 'gguf', 'qwen.gguf'))],
  ['SmolLM as GGUF', readGgufTokenizerFiles(join(fixtures, 'gguf', 'smollm.gguf'))],
  ['digits that stand alone', await variant('bytebpe-gpt2', smolLm)],
  ['Llama 3', await variant('bytebpe-qwen', llama)],
  [
    'tokens that begin or end alike',
    await withTokens('bytebpe-gpt2', ['<|im', '<|im_end|><|', '|>', '<', 'ello']),
  ],
  ['T5', await folder('unigram-t5')],
  ['BERT', await folder('wordpiece-uncased')],
  ['Llama 2', await folder('spbpe-llama2')],
  ['Llama as GGUF', readGgufTokenizerFiles(join(fixtures, 'gguf', 'llama.gguf'))],
]

const pieces = [
  'Hello',
  'world',
  "it's",
  "WE'LL",
  "'s",
  "'",
  "don'T",
  'x2y',
  '3',
  '1234',
  '١٢',
  '½',
  '²',
  'Ⅷ',
  ' ',
  '  ',
  '    ',
  '\n',
  '\n\n',
  '\r\n',
  '	',
  ' \n ',
  '\xA0',
  '',
  ' ',
  '\u2028',
  '　',
  '.',
  '...',
  '!',
  '<|',
  '|>',
  '_',
  '—',
  '“',
  '/',
  '\\',
  '{}',
  '€',
  '£',
  '→',
  '\0',
  '‍',
  '﻿',
  'Größe',
  'é',
  'é',
  'ﬁ',
  'Жизнь',
  'שלום',
  'سلام',
  'हिन्दी',
  'ไทย',
  '日本語',
  '한국어',
  '😀',
  '👩‍🔬',
  '❤️',
  'ſ',
  "'ſ",
  'ǅ',
  'ʰ',
  '𝒳',
  '\ud800',
  '͸',
  '𞤀',
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<|im_e',
  '<s>',
  '</s>',
  '<unk>',
  '[CLS]',
]

/** Texts of random pieces, each with random spans, some with parts taken out. */
function makeItems(added: readonly string[], count: number) {
  const random = createRandom(20_261_122)
  const below = (limit: number) => Math.floor(random() * limit)
  const alphabet = [...pieces, ...added, ...added.map((token) => token.slice(0, -1))]
  return Array.from({ length: count }, () => {
    const parts = Array.from({ length: below(24) }, () => alphabet[below(alphabet.length)])
    const text = parts.join('')
    const cut = () => below(text.length + 1)
    const spans = Array.from({ length: below(4) }, (_, message): LearnedSpan => {
      const [start, from, to, end] = [cut(), cut(), cut(), cut()].toSorted((a, b) => a - b)
      const ranges = [
        [],
        [{ start, end: from }],
        [
          { start, end: from },
          { start: to, end },
        ],
      ][below(6)]
      return { message, start, end, status: 'proved', ...(ranges && { ranges }) }
    })
    return { text, spans }
  })
}

/** What the Rust library says of a text, looked up the slow way. */
function encodingOf({ ids, offsets, sequences }: Lists): BackendEncoding {
  return {
    ids: () => Uint32Array.from(ids),
    typeIds: () => [],
    sequences: () => sequences,
    offsets: () => offsets,
    tokenAt(offset) {
      const token = offsets.findIndex(
        ([start, end], i) => sequences[i] === 0 && start <= offset && offset < end,
      )
      return token === -1 ? undefined : token
    },
    startOf: (token) => (sequences.at(token) === null ? undefined : offsets.at(token)?.[0]),
  }
}

describe.each(tokenizers)('%s', (_, files) => {
  const { backend, added } = readKnownTokens(files)
  const rust = makeOracle(textOf(files.tokenizerJson))
  rust.addTokens(backend.addedTokens().map(([, token]) => token))

  test.each([false, true])(
    'learned tokens are those of the Rust library, special ones around: %s',
    async (addSpecialTokens) => {
      const items = makeItems([...added.keys()], 600)
      const encodings = await rust.encode(
        items.map(({ text }) => text),
        undefined,
        addSpecialTokens,
      )
      const expected = items.map(({ text, spans }, i) => {
        const ids = Int32Array.from(encodings[i].ids)
        return { text, ...mapSpans(ids, spans, encodingLocator(encodingOf(encodings[i]), text, ids.length)) }
      })
      // Twice: at first nearly all words are new, then none.
      for (const _time of ['new', 'known'])
        expect(await encodeTextsWithSpans(backend, items, { addSpecialTokens })).toEqual(expected)
    },
  )
})

test('words fill with the tokens of an added token once it is added', async () => {
  const { AutoTokenizer } = await import('../../src/tokenizer/index.ts')
  const tokenizer = await AutoTokenizer.fromPretrained(join(fixtures, 'bytebpe-qwen'))
  const items = [{ text: 'Hello <|tool|> world', spans: [] }]
  const [before] = await tokenizer.encodeTextsWithSpans(items, { addSpecialTokens: false })
  tokenizer.addSpecialTokens(['<|tool|>'])
  const [after] = await tokenizer.encodeTextsWithSpans(items, { addSpecialTokens: false })
  const { inputIds } = await tokenizer.encode(items[0].text, { addSpecialTokens: false })
  expect([...after.inputIds]).toEqual(inputIds)
  expect(after.inputIds.length).toBeLessThan(before.inputIds.length)
})
