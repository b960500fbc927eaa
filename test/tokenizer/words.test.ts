import { join } from 'node:path'
import { Tokenizer as RustTokenizer } from 'tokenizers'
import { describe, expect, test } from 'vitest'
import type { LearnedSpan } from '../../src/chat/index.ts'
import { createRandom } from '../../src/random.ts'
import { encodeTextsWithSpans } from '../../src/tokenizer/encode-with-spans.ts'
import { textOf, type TokenizerFiles } from '../../src/tokenizer/files.ts'
import { readKnownTokens } from '../../src/tokenizer/known-tokens.ts'
import { readGgufTokenizerFiles } from '../../src/tokenizer/node/gguf/gguf-tokenizer.ts'
import { readTokenizerFiles } from '../../src/tokenizer/node/read-files.ts'
import { makeRustBackend } from '../../src/tokenizer/node/rust-backend.ts'
import { makeWordEncoder } from '../../src/tokenizer/word-encoder.ts'
import { cutsAlike, readWordRules } from '../../src/tokenizer/word-rules.ts'
import { fixtures, tokenizerCases } from './golden.ts'

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
const byWords: readonly (readonly [string, TokenizerFiles])[] = [
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
]
const whole: readonly (readonly [string, TokenizerFiles])[] = [
  ...(await Promise.all(
    tokenizerCases.map(async (name) => [name, await folder(`${name}/with_added`)] as const),
  )),
  ['spbpe-llama2', await folder('spbpe-llama2')],
  ['unigram-t5', await folder('unigram-t5')],
  ['wordpiece-uncased', await folder('wordpiece-uncased')],
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
    // Characters of which tables may differ send the text to the Rust library; half of them must do without.
    const text = parts.filter((part) => below(2) === 0 || /^[\0-\u00ff]*$/.test(part)).join('')
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

describe.each(byWords)('%s, by words', (_, files) => {
  const { backend, wordRules, added } = readKnownTokens(files, makeRustBackend)
  const words = wordRules && makeWordEncoder(backend, wordRules, added)

  test('gives the tokens, masks and straddles that the Rust library gives for whole texts', async () => {
    const items = makeItems([...added.keys()], 1000)
    const expected = await encodeTextsWithSpans({ backend, words: undefined }, items, {
      addSpecialTokens: false,
    })
    // Twice: at first nearly all words are new, then none.
    for (const _time of ['new', 'known'])
      expect(await encodeTextsWithSpans({ backend, words }, items, { addSpecialTokens: false })).toEqual(
        expected,
      )
    const taken = items.filter(({ text }) => words?.cut(text, []) !== undefined).length
    expect(taken).toBeGreaterThan(items.length / 3)
  })
})

const patterns = new Set(['GPT-2', 'Qwen', 'digits that stand alone', 'Llama 3'])

test.each(byWords.filter(([name]) => patterns.has(name)))(
  '%s cuts around every character that it trusts as the Rust library does',
  (_, files) => {
    const { wordRules } = readKnownTokens(files, makeRustBackend)
    const rust = RustTokenizer.fromString(textOf(files.tokenizerJson))
    if (wordRules === undefined) throw new Error('no word rules')
    const preTokenizer = rust.getPreTokenizer()
    if (preTokenizer === null) throw new Error('no pre-tokenizer')
    let trusted = 0
    let block: string[] = []
    const compare = () => {
      const text = block.join('')
      block = []
      const ends = preTokenizer.preTokenizeString(text).map(([, [, end]]) => end)
      let end = 0
      const own = (text.match(wordRules.pattern) ?? []).map((word) => (end += Array.from(word).length))
      expect(own.join(' ')).toBe(ends.join(' '))
    }
    for (let code = 0; code < 0x20000; code++) {
      const c = String.fromCodePoint(code)
      if (!cutsAlike(c, { ...wordRules, composes: false })) continue
      trusted++
      block.push(`a${c}b 1${c}2 .${c}, ${c}a ${c}1 ${c}.  ${c} \n${c}${c}'${c}x'S\n`)
      if (block.length === 512) compare()
    }
    compare()
    expect(trusted).toBeGreaterThan(34_000)
  },
)

test.each(whole)('%s encodes whole texts', (_, files) => {
  const { backend, wordRules, added } = readKnownTokens(files, makeRustBackend)
  expect(wordRules && makeWordEncoder(backend, wordRules, added)).toBeUndefined()
})

test('rules that are not known are not guessed', async () => {
  const files = await folder('bytebpe-gpt2')
  const json: Record<string, unknown> = JSON.parse(textOf(files.tokenizerJson))
  const model = { ...(json.model as object) }
  for (const changes of [
    { normalizer: { type: 'NFKC' } },
    { pre_tokenizer: { ...byteLevel, add_prefix_space: true } },
    {
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [{ type: 'Digits', individual_digits: false }, byteLevel],
      },
    },
    { pre_tokenizer: { type: 'Whitespace' } },
    { model: { ...model, dropout: 0.1 } },
    { model: { ...model, type: 'WordLevel' } },
  ])
    expect(readWordRules({ ...json, ...changes })).toBeUndefined()
  expect(readWordRules(json)).toBeDefined()
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
