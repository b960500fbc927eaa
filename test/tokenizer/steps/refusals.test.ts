import { describe, expect, it, test } from 'vitest'
import { FettleError } from '../../../src/error.ts'
import { checkKnown } from '../../../src/tokenizer/steps/unicode.ts'
import { backendOf, pieces, regex, split, type Parts } from './parts.ts'

describe('what is not written in JavaScript is refused, with what would be read', () => {
  it.each<[string, Parts, string]>([
    [
      'a normalizer',
      { normalizer: { type: 'Odd' } },
      'tokenizer.json: normalizer: type "Odd"; expected NFC, ',
    ],
    [
      'one of several',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'Odd' }] } },
      'tokenizer.json: normalizer Sequence: type "Odd"',
    ],
    [
      'a pre-tokenizer',
      { pre_tokenizer: { type: 'UnicodeScripts' } },
      'tokenizer.json: pre_tokenizer: type "UnicodeScripts"',
    ],
    ['a decoder', { decoder: { type: 'Odd' } }, 'tokenizer.json: decoder: type "Odd"'],
    ['a post-processor', { post_processor: { type: 'Odd' } }, 'tokenizer.json: post_processor: type "Odd"'],
    [
      'a model',
      { model: { type: 'Odd' } },
      'tokenizer.json: model: type "Odd"; expected BPE, Unigram, WordPiece, WordLevel',
    ],
    [
      'dropout',
      { model: { type: 'BPE', dropout: 0.1, vocab: {}, merges: [] } },
      'tokenizer.json: model BPE: dropout: 0.1',
    ],
    [
      'a missing field',
      { pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Isolated' } },
      'tokenizer.json: pre_tokenizer Split: invert: nothing',
    ],
    ...['(?i:ß)', '(?i:ss)', '(a', 'a)', '[a', String.raw`\p{Lx}`, String.raw`\R`].map(
      (pattern): [string, Parts, string] => [
        `the pattern ${pattern}`,
        { pre_tokenizer: split(regex(pattern)) },
        `in the pattern ${pattern}`,
      ],
    ),
  ])('%s', (_, parts, message) => {
    expect(() => backendOf(pieces(parts))).toThrow(message)
  })

  test('a character without a token', () => {
    const backend = backendOf(pieces({ model: { type: 'BPE', unk_token: '?', vocab: { a: 0 }, merges: [] } }))
    expect(() => backend.encode('ab', undefined, false)).toThrow(
      'model BPE: "b", which is no token, and neither is unk_token "?"',
    )
  })

  test('a character that an old engine does not know', () => {
    expect(() => checkKnown('a\u{378}', true)).toThrow('U+378, which this JavaScript engine does not know')
    expect(() => checkKnown('a\ufdd0\u{10ffff}\ue000😀', true)).not.toThrow()
    expect(() => checkKnown('a\u{378}')).not.toThrow()
  })
})

test('everything that is wrong is told at once', () => {
  const odd = pieces({
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Odd' }, { type: 'Prepend', prepend: 3 }] },
    pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Sideways', invert: 'no' },
    decoder: { type: 'Replace', pattern: 4, content: 5 },
    model: { type: 'BPE', dropout: 0.1, vocab: {}, merges: [] },
  })
  let problems: readonly { place: string; found: string }[] = []
  try {
    backendOf({ ...odd, version: '2.0', added_tokens: [{ id: 0, content: '<x>', special: 1 }, {}] })
  } catch (error) {
    if (error instanceof FettleError) problems = error.problems
  }
  const told = problems.map(({ place, found }) => `${place.replace('tokenizer.json: ', '')}: ${found}`)
  for (const start of [
    'version: "2.0"',
    'normalizer Sequence: type "Odd"',
    'normalizer Sequence Prepend: prepend: 3',
    'pre_tokenizer Split: behavior: "Sideways"',
    'pre_tokenizer Split: invert: "no"',
    'decoder Replace: ',
    'model BPE: dropout: 0.1',
    'added_tokens[0]: special: 1',
    'added_tokens: {}',
  ])
    expect(
      told.some((text) => text.startsWith(start)),
      `${start} in ${told.join('; ')}`,
    ).toBe(true)
})
