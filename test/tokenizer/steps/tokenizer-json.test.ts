import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import { isTokenTable } from '../../../src/tokenizer/steps/models/token-table.ts'
import { makeBackend } from '../../../src/tokenizer/steps/make-backend.ts'
import { readTokenizerJson } from '../../../src/tokenizer/steps/tokenizer-json.ts'
import { fixtures, tokenizerCases } from '../golden.ts'
import { lists, modelOf } from './parts.ts'
import { randomTexts } from './random-text.ts'

it.each(['assets/tiny-llama', ...tokenizerCases.map((name) => join(fixtures, name))])(
  '%s: what is read where it stands is what JSON.parse reads',
  (folder) => {
    const text = readFileSync(join(folder, 'tokenizer.json'), 'utf8')
    const json = JSON.parse(text) as Record<string, unknown>
    const texts = randomTexts(100)
    const expected = lists(makeBackend(json), texts, undefined, true)
    for (const written of [text, JSON.stringify(json), JSON.stringify(json, null, 4)])
      expect(lists(makeBackend(readTokenizerJson(written)), texts, undefined, true)).toEqual(expected)
  },
)

const vocab = {
  '"': 0,
  '\\': 1,
  '\n': 2,
  a: 3,
  '\u0120': 4,
  '\\"': 5,
  '"\\': 6,
  '\ud83d\ude00': 7,
  aa: 8,
  '\\\\': 9,
}
const merges = [
  ['\\', '"'],
  ['"', '\\'],
  ['a', 'a'],
  ['\\', '\\'],
]

it.each<[string, unknown]>([
  ['lists', merges],
  ['texts', merges.map((pair) => pair.join(' '))],
])('characters that JSON escapes in the vocabulary and in merges that are %s', (_, written) => {
  const text = JSON.stringify({ model: { type: 'BPE', vocab, merges: written } })
  const json = readTokenizerJson(text)
  expect(isTokenTable(modelOf(json).vocab)).toBe(true)
  const backend = makeBackend(json)
  for (const [token, id] of Object.entries(vocab)) expect(backend.idOf(token)).toBe(id)
  expect([...backend.encode('\\"aa"\\\\\\a', undefined, false).ids()]).toEqual([5, 8, 6, 9, 3])
})

test('what is no JSON, or written in another way, is left to JSON.parse', () => {
  const model = (inside: string) => `{"model": {"type": "BPE", ${inside}}}`
  for (const text of [
    model('"vocab": {"a": 1.5}, "merges": []'),
    model('"vocab": {"a": 1e3}, "merges": []'),
    model('"vocab": {"a": -1}, "merges": []'),
    model('"vocab": {}, "merges": []'),
    model('"vocab": {"a": 1}, "vocab": {"b": 2}, "merges": []'),
    model(String.raw`"voc\u0061b": {"a": 1}, "merges": []`),
    model('"vocab": {"a": 1}, "merges": [["a"]]'),
    model('"vocab": {"a": 1}, "merges": ["a b c", "#version: 0.2"]'),
    model('"vocab": [["a", 0]]'),
  ])
    expect([text, JSON.stringify(plain(readTokenizerJson(text)))]).toEqual([
      text,
      JSON.stringify(JSON.parse(text)),
    ])
  for (const text of [
    '',
    '[]',
    '{',
    model('"vocab": {"a": 1,}, "merges": []'),
    model('"vocab": {"a": 01}, "merges": []'),
    model('"vocab": {"a\n": 1}, "merges": []'),
    model('"vocab": {"a": 1} "merges": []'),
    model('"vocab": {"a": 1}, "merges": ["a"'),
    `${model('"vocab": {"a": 1}, "merges": ["a a"]')}x`,
  ])
    expect(() => readTokenizerJson(text), text).toThrow(/JSON|not a JSON object/)
})

/** The object with its vocabulary as JSON.parse gives it. */
function plain(json: Record<string, unknown>): unknown {
  const model = modelOf(json)
  return isTokenTable(model.vocab)
    ? { ...json, model: { ...model, vocab: Object.fromEntries(model.vocab.entries()) } }
    : json
}
