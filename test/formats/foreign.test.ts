import { execFileSync } from 'node:child_process'
import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { describeProblem, FettleError, listNames, quoteValue } from '../../src/error.ts'
import { readGguf, readJsonFile, readSafetensorsHeader } from '../../src/formats/index.ts'
import { isOneOf, parseJsonObject, readForeign, type ForeignKeys } from '../../src/formats/foreign/index.ts'

const keys = {
  obeyed: z.object({
    layers: z.int().positive().default(32),
    name: z.string().nullish(),
    rope: z.object({ theta: z.number().default(10_000) }).nullish(),
  }),
  harmless: ['use_cache'],
  unobeyed: {
    use_dora: { isHarmless: isOneOf(null, false), expected: 'false', cure: 'Merge it with PEFT first.' },
    dropout: { isHarmless: isOneOf(0), expected: '0 in training', severity: 'notice' },
  },
  within: {
    rope: {
      obeyed: z.object({ theta: z.number().default(10_000) }),
      harmless: ['comment'],
      unobeyed: { short_factor: { isHarmless: isOneOf(null), expected: 'none' } },
    },
  },
} as const satisfies ForeignKeys

function read(raw: Record<string, unknown>) {
  const { values, notices } = readForeign(keys, raw, 'config.json')
  return { values, notices: notices.map(describeProblem) }
}

test.each<[what: string, raw: Record<string, unknown>, values: unknown, notices: string[]]>([
  ['defaults where keys are absent', {}, { layers: 32 }, []],
  ['obeyed keys', { layers: 2, rope: { theta: 5 } }, { layers: 2, rope: { theta: 5 } }, []],
  [
    'harmless keys, also within',
    { use_cache: true, rope: { comment: 1 } },
    { layers: 32, rope: { theta: 10_000 } },
    [],
  ],
  ['values that ask for nothing else', { use_dora: false, dropout: 0 }, { layers: 32 }, []],
  [
    'what matters to training only',
    { dropout: 0.1 },
    { layers: 32 },
    ['config.json: dropout: 0.1; expected 0 in training.'],
  ],
  [
    'unknown keys, once for all',
    { a: 1, toString: 2, rope: { b: 3 } },
    { layers: 32, rope: { theta: 10_000 } },
    ['config.json: keys that fettle does not read: a, toString, rope.b.'],
  ],
])('reads %s', (_, raw, values, notices) => {
  expect(read(raw)).toEqual({ values, notices })
})

test('collects everything that is wrong, each value in at most 200 characters', () => {
  const raw = { layers: -3, name: ['x'.repeat(1e6)], rope: { theta: 'x', short_factor: [1] }, use_dora: true }
  const message = messageOf(() => read(raw))
  expect(message.split('\n')).toEqual([
    'config.json: layers: -3; expected a number above 0.',
    expect.stringMatching(/^config\.json: name: \["x{197}…; expected a text\.$/),
    'config.json: rope.theta: "x"; expected a number.',
    'config.json: rope.short_factor: [1]; expected none.',
    'config.json: use_dora: true; expected false. Merge it with PEFT first.',
  ])
})

test.each([
  ['', /^f\.json: not JSON: it ends inside a value \(column 1\); expected a JSON value\. Download/],
  ['{"a": 1,}', /^f\.json: not JSON: "}" \(column 9\); expected a name in double quotes\. Download/],
  [
    '{"a":\nx\ny}',
    /^f\.json: not JSON: the word x \(line 2, column 1\); expected a JSON value\. Download.+$/,
  ],
  ['[1]', /^f\.json: a list; expected a JSON object\. /],
  ['null', /^f\.json: null; expected/],
  ['"x"', /^f\.json: the string "x"; expected/],
])('refuses %j as an object', (text, message) => {
  const said = messageOf(() => parseJsonObject(text, 'f.json'))
  expect(said).toMatch(message)
  expect(said.length).toBeLessThan(300)
})

test.skipIf(process.platform === 'win32')(
  'waits for no pipe, and reads no settings of gigabytes',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-json-'))
    const path = (name: string) => join(folder, name)
    execFileSync('mkfifo', [path('pipe.json')])
    writeFileSync(path('large.json'), '')
    truncateSync(path('large.json'), 2 ** 33)
    await expect(readJsonFile(path('pipe.json'))).rejects.toThrow(
      'pipe.json: a pipe or a device; expected a JSON file',
    )
    await expect(readJsonFile(path('large.json'))).rejects.toThrow(
      'large.json: 8589934592 bytes; expected at most',
    )
    await expect(readSafetensorsHeader(path('pipe.json'))).rejects.toThrow(
      'pipe.json: a pipe; expected a safetensors file',
    )
    expect(() => readGguf(path('pipe.json'))).toThrow('pipe.json: a pipe; expected a GGUF file')
    await expect(readJsonFile(path('gone.json'))).rejects.toThrow('gone.json: no such file or folder')
    await expect(readJsonFile(folder)).rejects.toThrow('a folder; expected a JSON file')
  },
)

test('refuses a text of brackets in few words', () => {
  const said = messageOf(() => parseJsonObject('['.repeat(100_000), 'f.json'))
  expect(said).toMatch(/^f\.json: not JSON: a value that nests deeper than 1000/)
  expect(said.length).toBeLessThan(300)
})

test.each<[unknown, string]>([
  [undefined, 'nothing'],
  [{ a: [1, 'b', null, { c: true }] }, '{"a": [1, "b", null, {"c": true}]}'],
  [12345678901234567890n, '12345678901234567890'],
  ['a'.repeat(198) + '😀', `"${'a'.repeat(198)}…`],
])('quotes %o', (value, text) => {
  expect(quoteValue(value)).toBe(text)
})

test('quotes what is deep or large without walking through it', () => {
  let deep: unknown = 1
  for (let i = 0; i < 100_000; i += 1) deep = [deep]
  expect(quoteValue(deep)).toHaveLength(200)
  expect(quoteValue(Array.from({ length: 1e6 }, () => 0))).toHaveLength(200)
})

test('lists names, few and short', () => {
  expect(listNames(['a', 'b'])).toBe('a, b')
  expect(listNames(Array.from({ length: 20 }, () => 'n'.repeat(100)))).toMatch(/^n{59}….* and 12 more$/)
})

function messageOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof FettleError) return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}
