import { describe, it } from 'vitest'
import { preTokenizers } from '../../../src/tokenizer/node/gguf/pre-tokenizers.ts'
import { makeOracle } from '../oracle/rust.ts'
import {
  backendOf,
  bert,
  expectSame,
  lists,
  normalizer,
  o200k,
  pieces,
  preTokenizer,
  regex,
  split,
  type Parts,
} from './parts.ts'

describe('every character of Unicode', () => {
  // Of the blocks whose characters are all alike, the ends are enough.
  const alike: readonly (readonly [number, number])[] = [
    [0x3410, 0x4db0],
    [0x4e10, 0x9f00],
    [0xac10, 0xd790],
    [0xd800, 0xdfff],
    [0xe010, 0xf8f0],
    [0x17010, 0x18790],
    [0x1b200, 0x1bc00],
    [0x20010, 0x2a6d0],
    [0x2a710, 0x2b730],
    [0x2b830, 0x2cea0],
    [0x2cee0, 0x2ebd0],
    [0x2ee60, 0x2f7f0],
    [0x2fa30, 0x31340],
    [0x31360, 0x323a0],
    [0x323c0, 0x33470],
    [0x33490, 0xe0000],
    [0xe0200, 0x10fff0],
  ]
  const characters = Array.from({ length: 0x110000 }, (_, code) => code)
    .filter((code) => !alike.some(([first, last]) => code >= first && code <= last))
    .map((code) => String.fromCodePoint(code))

  /** Texts with each character where `write` puts it. */
  const texts = (write: (character: string) => string) =>
    Array.from({ length: Math.ceil(characters.length / 256) }, (_, i) =>
      characters
        .slice(i * 256, (i + 1) * 256)
        .map(write)
        .join(''),
    )

  async function expectEqual(json: Parts, write: (character: string) => string) {
    const own = lists(backendOf(json), texts(write), undefined, false)
    const expected = await makeOracle(JSON.stringify(json)).encode(texts(write), undefined, false)
    expectSame(own, expected)
  }

  it.each([
    ['GPT-4o', o200k],
    ['Qwen', preTokenizers.get('qwen2')?.splits[0] ?? ''],
    ['words', String.raw`\w+|[\w²]|\W`],
    ['kinds', String.raw`\p{L}+|\p{N}+|\p{P}+|\p{S}+|\p{M}+|\p{Z}+|\p{C}+`],
    ['letters', String.raw`\p{Lu}+|\p{Ll}+|\p{Lt}+|\p{Lm}+|\p{Lo}+|\p{Nd}+|(?i:[sk])`],
    [
      'scripts',
      String.raw`\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{Hangul}+|\p{Arabic}+|\p{Thai}+|\p{Latin}+|\p{Cyrillic}+`,
    ],
  ])('in the pattern of %s', async (_, pattern) => {
    await expectEqual(pieces({ pre_tokenizer: split(regex(pattern)) }), (c) => `a${c}B1${c} .${c}'`)
  })

  // Marks that move to either side show what the character is.
  it.each(['NFC', 'NFKD', 'Lowercase', 'Nmt', 'StripAccents'])('in %s', async (type) => {
    await expectEqual(normalizer(type), (c) => `e${c}\u0334\u0301${c}\u0323 `)
  })

  it.each([
    ['BERT', { ...preTokenizer('BertPreTokenizer'), normalizer: bert.normalizer }],
    ['Whitespace', preTokenizer('Whitespace')],
    ['Digits', preTokenizer('Digits', { individual_digits: true })],
  ])('in %s', async (_, json) => {
    await expectEqual(json, (c) => `a${c}b `)
  })
})
