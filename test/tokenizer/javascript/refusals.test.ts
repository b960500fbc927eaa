import { describe, expect, it, test } from 'vitest'
import { makeJavaScriptBackend } from '../../../src/tokenizer/javascript/javascript-backend.ts'
import { checkKnown } from '../../../src/tokenizer/javascript/unicode.ts'
import { pieces, regex, split, type Parts } from './parts.ts'

describe('what is not written in JavaScript is refused, with what would be read', () => {
  it.each<[string, Parts, string]>([
    [
      'a normalizer',
      { normalizer: { type: 'Nmt' } },
      'tokenizer.json: normalizer: type "Nmt"; expected NFC, ',
    ],
    [
      'one of several',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'StripAccents' }] } },
      'tokenizer.json: normalizer Sequence: type "StripAccents"',
    ],
    [
      'a pre-tokenizer',
      { pre_tokenizer: { type: 'UnicodeScripts' } },
      'tokenizer.json: pre_tokenizer: type "UnicodeScripts"',
    ],
    ['a decoder', { decoder: { type: 'CTC' } }, 'tokenizer.json: decoder: type "CTC"'],
    ['a post-processor', { post_processor: { type: 'Odd' } }, 'tokenizer.json: post_processor: type "Odd"'],
    [
      'a model',
      { model: { type: 'Odd' } },
      'tokenizer.json: model: type "Odd"; expected BPE, Unigram, WordPiece, WordLevel',
    ],
    [
      'dropout',
      { model: { type: 'BPE', dropout: 0.1, vocab: {}, merges: [] } },
      'tokenizer.json: model BPE: dropout 0.1',
    ],
    [
      'bytes that are not all there',
      { model: { type: 'BPE', byte_fallback: true, vocab: {}, merges: [] } },
      'expected a token for each byte',
    ],
    [
      'a missing field',
      { pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Isolated' } },
      'tokenizer.json: pre_tokenizer Split: invert: undefined',
    ],
    ...[
      '^a',
      'a$',
      String.raw`\bA`,
      String.raw`(a)\1`,
      '(?i)a',
      '(?i:ß)',
      '(?i:ss)',
      '(?i:[a-z])',
      '[[:alpha:]]',
      'a**',
      'a{2}+',
      '(a',
      'a)',
      '[a',
      'a*',
      String.raw`\p{Lx}`,
      String.raw`\R`,
      '(?<n>a)',
    ].map((pattern): [string, Parts, string] => [
      `the pattern ${pattern}`,
      { pre_tokenizer: split(regex(pattern)) },
      `in the pattern ${pattern}`,
    ]),
  ])('%s', (_, parts, message) => {
    expect(() => makeJavaScriptBackend(JSON.stringify(pieces(parts)))).toThrow(message)
    expect(() => makeJavaScriptBackend(JSON.stringify(pieces(parts)))).toThrow('Tokenise this model in Node')
  })

  test('a character without a token', async () => {
    const backend = makeJavaScriptBackend(
      JSON.stringify(pieces({ model: { type: 'BPE', unk_token: '?', vocab: { a: 0 }, merges: [] } })),
    )
    await expect(backend.encode(['ab'], undefined, false)).rejects.toThrow(
      'model BPE: "b", which is no token, and neither is unk_token ?',
    )
  })

  test('a character that an old engine does not know', () => {
    expect(() => checkKnown('a\u{378}', true)).toThrow('U+378, which this JavaScript engine does not know')
    expect(() => checkKnown('a\ufdd0\u{10ffff}\ue000😀', true)).not.toThrow()
    expect(() => checkKnown('a\u{378}')).not.toThrow()
  })
})
