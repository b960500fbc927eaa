import { describe, expect, it, test } from 'vitest'
import { FettleError } from '../../../src/error.ts'
import { describeValue, JsonFloat, keysOf, parseJson } from '../../../src/formats/json/index.ts'
import { jsonTextOf } from '../../../src/jinja/index.ts'

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

describe('nothing is lost', () => {
  it.each<[string, string, unknown]>([
    ['ordinary values', '{"a":[1,-2,0.5,"x",true,null,{}]}', { a: [1, -2, 0.5, 'x', true, null, {}] }],
    ['a large integer', '[1234567890123456789]', [1234567890123456789n]],
    ['the largest safe one', '[9007199254740991,9007199254740992]', [9007199254740991, 9007199254740992n]],
    ['floats that look like integers', '[1.0,1,1e3]', [new JsonFloat(1), 1, new JsonFloat(1000)]],
    ['1e16', '{"a":1e16}', { a: new JsonFloat(1e16) }],
    ['zeros', '[0,-0,-0.0,0.0]', [0, 0, new JsonFloat(-0), new JsonFloat(0)]],
    ['__proto__', '{"__proto__":{"a":1.0}}', JSON.parse('{"__proto__":{}}')],
  ])('%s', (_, text, value) => {
    if (text.includes('__proto__')) expect(Object.keys(parseJson(text, 'x') as object)).toEqual(['__proto__'])
    else expect(parseJson(text, 'x')).toStrictEqual(value)
  })

  it.each<[string, string[]]>([
    ['{"b":1,"10":2,"2":3,"a":4}', ['b', '10', '2', 'a']],
    ['{"404":1,"200":2}', ['404', '200']],
    ['{"z":1,"a":2}', ['z', 'a']],
  ])('keys in their order: %s', (text, keys) => {
    const value = parseJson(text, 'x') as Record<string, unknown>
    expect(keysOf(value)).toEqual(keys)
    const { [keys[0]]: _, ...rest } = value
    expect(keysOf({ ...rest, more: 1 })).toEqual([...keys.slice(1), 'more'])
  })

  // Recorded from Python: json.dumps(json.loads(text), ensure_ascii=False).
  it.each<[string, string]>([
    [
      '{"b": 1, "10": "ten", "2": [1.0, 1e16, 1e22, 0.1, -0.0, -0, 5e-324]}',
      '{"b": 1, "10": "ten", "2": [1.0, 1e+16, 1e+22, 0.1, -0.0, 0, 5e-324]}',
    ],
    [
      '[123456789012345678901234567890, 1.5e300, 100000.0]',
      '[123456789012345678901234567890, 1.5e+300, 100000.0]',
    ],
    ['{"é\\u00e9": "\\ud83d\\ude00 \\u2028\\n"}', '{"éé": "😀 \u2028\\n"}'],
  ])('and out again as Python writes it: %s', (text, python) => {
    expect(jsonTextOf(parseJson(text, 'x'))).toBe(python)
  })

  test('texts that only look like numbers and names', () => {
    const value = { a: ': 1.0', b: '\\": {"a":1,"a":1}', c: ':', n: 5, d: '[1e5', e: 'x\\' }
    expect(parseJson(JSON.stringify(value), 'x')).toStrictEqual(value)
  })
})

describe('what is no JSON is named with its place', () => {
  it.each<[string, string]>([
    ['{"a":NaN}', 'x: not JSON: NaN (column 6); expected a number or null. JSON has no such number'],
    ['[-Infinity]', 'x: not JSON: -Infinity (column 2)'],
    ['[1e400]', 'x: not JSON: the number 1e400 (column 2); expected one that a float can hold'],
    ['{"a":1,"a":2}', 'x: not JSON: the key "a" twice in one object (column 8)'],
    ['{"a" :1,"b":2,"b":3}', 'the key "b" twice'],
    ['{"a":":","b":{"c":1,"c":1}}', 'the key "c" twice'],
    [
      "{'a':1}",
      'x: not JSON: a single quote (column 2); expected a name in double quotes or }. JSON has names',
    ],
    ['{"a":None}', 'None (column 6)'],
    ['[1,]', '"]" (column 4)'],
    ['{"a":1', 'it ends inside a value (column 7)'],
    ['[01]', 'the number 01 (column 2)'],
    ['[+1]', '"+" (column 2)'],
    ['["\\x"]', 'an unknown escape (column 3)'],
    ['["a\nb"]', 'the character "\\n" in a text (column 4); expected its escape'],
    ['[1] // one', 'a comment'],
    ['{\n "a": 1,\n "b": x}', 'line 3, column 7'],
    ['', 'it ends inside a value'],
    [deep(5000), 'nests deeper than 1000'],
    [`[${'9'.repeat(5000)}]`, 'an integer of 5000 digits'],
  ])('%s', (text, message) => {
    expect(() => parseJson(text, 'x')).toThrow(FettleError)
    expect(() => parseJson(text, 'x')).toThrow(message)
  })

  test('deep values that are right', () => {
    expect(parseJson(deep(900), 'x')).toBeInstanceOf(Array)
  })
})

// json.dumps of Python 3.11.
test.each([
  '1.0',
  '-0.0',
  '123456789012345.0',
  '9007199254740992.0',
  '1e+16',
  '1.25e+16',
  '1e+22',
  '-3e+300',
])('a float that looks like an integer is written as Python writes it: %s', (text) => {
  expect(String(parseJson(text, 'test'))).toBe(text)
  expect(describeValue(parseJson(text, 'test'))).toBe(`the number ${text}`)
})
