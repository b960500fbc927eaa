import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { globalNames, readyFilters, readyTests } from '../../src/jinja/filters/index.ts'
import { leftOutNames } from '../../src/jinja/left-out.ts'
import { tagNames } from '../../src/jinja/parse/statement.ts'
import { expectAsPython, type GoldenCase } from './golden.ts'
import { expectLeftOut } from './left-out.ts'

interface RecordedBuiltins {
  variables: Record<string, unknown>
  filters: string[]
  tests: string[]
  globals: string[]
  statements: Record<string, GoldenCase>
  attributes: Record<string, Record<string, GoldenCase>>
}

// Recorded by record-builtins.py: the names that jinja2 and Python's dir() list.
const recorded: RecordedBuiltins = JSON.parse(
  readFileSync(new URL('../fixtures/jinja-builtins.json', import.meta.url), 'utf8'),
)

it.each([
  ['filter', recorded.filters, [...readyFilters.keys()]],
  ['test', recorded.tests, [...readyTests.keys()]],
  ['function', recorded.globals, globalNames],
  ['tag', Object.keys(recorded.statements), tagNames],
])('has every %s of jinja2 or leaves it out, and no other', (kind, all, kept) => {
  expect([...kept, ...leftOutNames(kind)].toSorted()).toEqual(all.toSorted())
})

it.each([
  ['filters', [...readyFilters.keys()]],
  ['tests', [...readyTests.keys()].filter((name) => /\w/.test(name))],
  ['functions', globalNames],
])('docs/masks.md lists its %s', (row, names) => {
  const page = readFileSync(new URL('../../docs/masks.md', import.meta.url), 'utf8')
  const [, listed = ''] = new RegExp(`^\\| ${row} \\| ` + '`([^`]*)`', 'm').exec(page) ?? []
  expect(listed.split(' ')).toEqual(names.toSorted())
})

describe('statements', () => {
  it.each(Object.entries(recorded.statements))('%s', (name, golden) => {
    if (leftOutNames('tag').includes(name)) expectLeftOut(golden.source, recorded.variables)
    else expectAsPython(golden, recorded.variables)
  })
})

describe.each(Object.entries(recorded.attributes))('attributes of %s', (type, attributes) => {
  const leftOut = leftOutNames(`${type} attribute`)

  it('leaves out only what Python has', () => {
    expect(leftOut.filter((name) => attributes[name] === undefined)).toEqual([])
  })

  it.each(Object.entries(attributes))('%s', (name, golden) => {
    // Of a safe text all methods are left out, those of str, too.
    if (leftOut.includes(name) || type === 'Markup') expectLeftOut(golden.source, recorded.variables)
    else expectAsPython(golden, recorded.variables)
  })
})
