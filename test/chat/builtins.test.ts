import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { filterNames } from '../../src/jinja/filters/index.ts'
import { globalNames } from '../../src/jinja/filters/globals.ts'
import { testNames } from '../../src/jinja/filters/tests.ts'
import { expectAsPython, type GoldenCase } from './golden.ts'

interface RecordedBuiltins {
  variables: Record<string, unknown>
  filters: string[]
  tests: string[]
  globals: string[]
  statements: Record<string, GoldenCase>
  methods: Record<string, Record<string, GoldenCase>>
}

// Recorded by record-builtins.py: the names that jinja2 and Python's dir() list.
const recorded: RecordedBuiltins = JSON.parse(
  readFileSync(new URL('../fixtures/jinja-builtins.json', import.meta.url), 'utf8'),
)

it('has every filter, test and global, and no other', () => {
  expect([...filterNames].toSorted()).toEqual(recorded.filters)
  expect([...testNames].toSorted()).toEqual(recorded.tests)
  expect([...globalNames].toSorted()).toEqual(recorded.globals)
})

describe('statements', () => {
  it.each(Object.entries(recorded.statements))('%s', (_, golden) =>
    expectAsPython(golden, recorded.variables),
  )
})

describe('attributes', () => {
  const cases = Object.entries(recorded.methods).flatMap(([type, methods]) =>
    Object.entries(methods).map(([name, golden]): [string, GoldenCase] => [`${type}.${name}`, golden]),
  )
  it.each(cases)('%s', (_, golden) => expectAsPython(golden, recorded.variables))
})
