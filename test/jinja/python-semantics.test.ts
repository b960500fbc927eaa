import { readFileSync } from 'node:fs'
import { it } from 'vitest'
import { expectAsPython, type GoldenCase } from './golden.ts'

// Recorded by record.py from Python's jinja2.
const golden: { variables: Record<string, unknown>; cases: GoldenCase[] } = JSON.parse(
  readFileSync(new URL('../fixtures/jinja-golden.json', import.meta.url), 'utf8'),
)

it.each(golden.cases.map((golden_, index): [number, string, GoldenCase] => [index, golden_.source, golden_]))(
  '%i %s',
  (_, __, case_) => expectAsPython(case_, golden.variables),
)
