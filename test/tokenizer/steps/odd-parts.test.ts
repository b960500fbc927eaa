import { expect, it, test } from 'vitest'
import { backendOf, bytes, pieces, preTokenizer, regex, sequence, split, type Parts } from './parts.ts'

/** On each of these the Rust library ends the process. */
it.each<[string, Parts, string]>([
  [
    'an empty map of characters',
    { normalizer: { type: 'Precompiled', precompiled_charsmap: '' } },
    'precompiled_charsmap of 0 bytes',
  ],
  [
    'a map whose trie is longer than the map',
    { normalizer: { type: 'Precompiled', precompiled_charsmap: btoa('\xff\xff\xff\x7fabcdefgh') } },
    'precompiled_charsmap of 12 bytes',
  ],
  [
    'Replace of nothing',
    { normalizer: { type: 'Replace', pattern: { String: '' }, content: 'x' } },
    'which matches no characters',
  ],
  [
    'words of no length',
    { pre_tokenizer: { type: 'FixedLength', length: 0 } },
    'length: 0; expected at least 1',
  ],
  ['a list that is none', { added_tokens: { 0: 'a' } }, 'added_tokens: {'],
])('%s is refused', (_, parts, message) => {
  expect(() => backendOf(pieces(parts))).toThrow(message)
})

test('a pattern that explodes is an error that names it', () => {
  const backend = backendOf(pieces({ pre_tokenizer: split(regex('(a+)+$')) }))
  expect(backend.encode('aaa', undefined, false).ids()).toHaveLength(1)
  expect(() => backend.encode(`${'a'.repeat(40)}b`, undefined, false)).toThrow(
    'the pattern (a+)+$ takes too long for a text of 41 characters',
  )
})

test('an exploding pattern behind a million words is given up as soon', () => {
  const backend = backendOf(
    pieces({ pre_tokenizer: sequence({ type: 'WhitespaceSplit' }, split(regex('(a+)+b$'))) }),
  )
  const begun = performance.now()
  expect(() => backend.encode(`${'a'.repeat(24)} `.repeat(20_000), undefined, false)).toThrow(
    'takes too long',
  )
  expect(performance.now() - begun).toBeLessThan(5000)
})

test('twelve million spaces in a message are tokens like others', () => {
  const llama3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  const backend = backendOf(pieces({ pre_tokenizer: split(regex(llama3)) }))
  expect(backend.encode(`a${' '.repeat(12_000_000)}b`, undefined, false).offsets()).toEqual([
    [0, 1],
    [1, 12_000_000],
    [12_000_000, 12_000_002],
  ])
})

test('a message of one long word', () => {
  const backend = backendOf(
    bytes({ pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: false } }),
  )
  expect(backend.encode('x'.repeat(1_000_000), undefined, false).ids()).toHaveLength(1_000_000)
  const fixed = backendOf(preTokenizer('FixedLength', { length: 3 }))
  expect(fixed.encode('ab😀de', undefined, false).offsets()).toEqual([
    [0, 4],
    [4, 6],
  ])
})
