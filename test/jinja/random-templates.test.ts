import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { compareCase, type FuzzCase } from '../../bench/jinja-fuzz/compare.ts'

// Recorded by bench/jinja-fuzz/generate.py; the few templates that use what is left out were dropped.
const lines = readFileSync(new URL('../fixtures/jinja-random.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')

it('renders random templates of all that the language has as Python does', () => {
  const [head = '{}', ...cases] = lines
  const { variables }: { variables: Record<string, unknown> } = JSON.parse(head)
  const differences = cases.map((line) => {
    const golden: FuzzCase = JSON.parse(line)
    return compareCase(golden, variables).difference
  })
  expect(cases.length).toBeGreaterThanOrEqual(2000)
  expect(differences.filter((difference) => difference !== undefined)).toEqual([])
})
