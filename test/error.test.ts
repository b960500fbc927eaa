import { expect, test } from 'vitest'
import { describeProblem, FettleError, quoteValue, withArticle } from '../src/error.ts'
import { parseJson } from '../src/formats/json/index.ts'

test('an error says place, found, expected and cure', () => {
  expect(
    describeProblem({
      place: 'train.jsonl:41',
      found: "role 'bot'",
      expected: 'system, user, assistant or tool',
      cure: 'Map it with roles: { bot: assistant }.',
    }),
  ).toBe(
    "train.jsonl:41: role 'bot'; expected system, user, assistant or tool. Map it with roles: { bot: assistant }.",
  )
})

test('a hundred problems are told, and of more how many they are', () => {
  const problems = Array.from({ length: 20_000 }, (_, i) => ({ place: `key ${i}`, found: 'unknown' }))
  const lines = new FettleError(problems).message.split('\n')
  expect(lines).toHaveLength(101)
  expect(lines.slice(-2)).toEqual(['key 99: unknown.', 'and: 19,900 more problems.'])
  expect(new FettleError(problems.slice(0, 100)).message.split('\n')).toHaveLength(100)
})

test('a line break in a path or a file begins no line of the message', () => {
  const problem = { place: 'new\nline.json', found: 'a\r\nerror b', expected: 'c' }
  expect(describeProblem(problem)).toBe('new\\nline.json: a\\r\\nerror b; expected c.')
  expect(new FettleError([problem, problem]).message.split('\n')).toHaveLength(2)
})

test.each([
  ['number', 'a number'],
  ['owner/name', 'an owner/name'],
  ['.onnx file', 'an .onnx file'],
  ['"olmo2"', 'an "olmo2"'],
  ['user', 'a user'],
])('the article of %s', (noun, said) => expect(withArticle(noun)).toBe(said))

test('a value is quoted with its floats as the file has them', () => {
  const text = '{"a": [1.0, 1, 1e+16, -0.0, 12345678901234567890], "toJSON": "a key"}'
  expect(quoteValue(parseJson(text, 'test'))).toBe(text)
})
