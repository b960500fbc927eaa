import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { compilePattern, stepBudget, type Dialect } from '../../src/patterns/index.ts'

/** Recorded by fixtures/patterns/record.py; null for a pattern that does not compile. */
interface Golden {
  texts: string[]
  /** Matches as [start, end); null where Oniguruma gave up. */
  oniguruma: [pattern: string, found: ([number, number][] | null)[] | null][]
  /** Whether the whole text matches. */
  python: [pattern: string, found: boolean[] | null][]
}
const path = process.env.PATTERNS_GOLDEN ?? join(import.meta.dirname, '../fixtures/patterns/golden.json')
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden

/** What is not read though it is a pattern: each of these is refused by name. */
const refused = new Set(['(?x) a', '(?(1)a|b)', '(?a:x)', String.raw`\N{DIGIT ONE}`])

const compile = (pattern: string, dialect: Dialect) => compilePattern(pattern, dialect, 'here')

function matchesOf(pattern: string, text: string): [number, number][] {
  const found: number[] = []
  compile(pattern, 'oniguruma').findAll(text, 0, text.length, stepBudget(text.length), found)
  return Array.from({ length: found.length / 2 }, (_, i): [number, number] => [
    found[2 * i],
    found[2 * i + 1],
  ]).filter(([start, end]) => end > start)
}

describe('matches as Oniguruma finds them', () => {
  it.each(golden.oniguruma)('%s', (pattern, expected) => {
    if (expected === null) return expect(() => compile(pattern, 'oniguruma')).toThrow('here: ')
    golden.texts.forEach((text, i) => {
      if (expected[i] !== null) expect([text, matchesOf(pattern, text)]).toEqual([text, expected[i]])
    })
  })
})

describe("whole texts as Python's re matches them", () => {
  it.each(golden.python)('%s', (pattern, expected) => {
    if (expected === null || refused.has(pattern))
      return expect(() => compile(pattern, 'python')).toThrow('here: ')
    const compiled = compile(pattern, 'python')
    golden.texts.forEach((text, i) => {
      // Before 3.14 Python's \\B does not match in the empty text.
      if (text !== '' || !pattern.includes(String.raw`\B`))
        expect([text, compiled.matchesWhole(text)]).toEqual([text, expected[i]])
    })
  })
})

describe('patterns that explode', () => {
  it.each([
    String.raw`(a+)+$`,
    String.raw`(a|a)*b`,
    String.raw`(a|aa)+$`,
    String.raw`(?:(?:a*)*)*b`,
    String.raw`([a-z0-9_.]+)+!`,
    String.raw`(x+x+)+y`,
    String.raw`a*a*a*a*a*a*b`,
  ])('%s is given up within seconds', (pattern) => {
    const text = `${'a'.repeat(5000)}x`.repeat(3)
    const begun = process.cpuUsage().user
    try {
      compile(pattern, 'python').matchesWhole(text)
      matchesOf(pattern, text)
    } catch (error) {
      expect(String(error)).toMatch(/takes too (long|much memory) for a text of 15003 characters/)
    }
    expect((process.cpuUsage().user - begun) / 1000).toBeLessThan(5000)
  })

  test('a small pattern that would become a large program is refused', () => {
    expect(() => compile('((a{1000}b){1000}){1000}', 'python')).toThrow('too large')
    expect(() => compile('('.repeat(10_000), 'python')).toThrow('more than 200 groups')
    expect(() => compile('['.repeat(10_000), 'oniguruma')).toThrow('more than 50 classes')
  })

  test('twelve million spaces pass through the pattern of Llama 3', () => {
    const llama3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    expect(matchesOf(llama3, `${' '.repeat(12_000_000)}x`)).toEqual([
      [0, 11_999_999],
      [11_999_999, 12_000_001],
    ])
  })
})

test('a message shows no more than 200 characters of a pattern', () => {
  expect(() => compile(`(${'a'.repeat(5000)}`, 'python')).toThrow(/^here: .{200,400}$/)
})
