import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parseChatTemplate } from '../../src/chat/index.ts'

interface GoldenCase {
  source: string
  text?: string
  error?: string
}

// Recorded by record.py from Python's jinja2.
const golden: { variables: Record<string, unknown>; cases: GoldenCase[] } = JSON.parse(
  readFileSync(new URL('../fixtures/jinja-golden.json', import.meta.url), 'utf8'),
)
const now = new Date(2024, 6, 6, 15, 4, 5)

it.each(golden.cases.map((golden_, index): [number, string, GoldenCase] => [index, golden_.source, golden_]))(
  '%i %s',
  (_, source, { text, error }) => {
    const render = (): string =>
      parseChatTemplate(source).render({ messages: [], now, ...golden.variables }).text
    if (error === undefined) expect(render()).toBe(text)
    else expect(render).toThrow(/^chat template:\d+:\d+: /)
  },
)
