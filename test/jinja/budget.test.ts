import { describe, expect, test } from 'vitest'
import { FettleError } from '../../src/error.ts'
import { globalNames, readyFilters, readyTests } from '../../src/jinja/filters/index.ts'
import { adoptValue, compileTemplate, type Owner } from '../../src/jinja/index.ts'
import { stringMethodNames } from '../../src/jinja/types/string-methods.ts'
import type { Value } from '../../src/jinja/types/values.ts'
import {
  filterCases,
  inputs,
  otherCases,
  statementCases,
  stringMethodCases,
  testCases,
} from './budget-cases.ts'

/** FETTLE_BUDGET=all tries every expression on every input, which takes half an hour; else one of each builtin on one. */
const isWhole = process.env['FETTLE_BUDGET'] === 'all'

const owner: Owner = { part: () => owner }
const made = new Map<string, Value>()
const big = (name: string): Value => {
  const known = made.get(name) ?? adoptValue(inputs[name](), owner)
  made.set(name, known)
  return known
}

const tables = { filterCases, testCases, stringMethodCases, otherCases }

const around = (statement: string): string =>
  `{% macro m(v) %}{{ v }}{% if caller %}{{ caller(v) }}{% endif %}{% endmacro %}{% set ns = namespace(x='') %}` +
  `{% for i in range(99999) %}{% for j in range(99) %}${statement}{% endfor %}{% endfor %}`

const cases = [
  ...Object.values(tables).flatMap((table) =>
    Object.values(table).flatMap(([expressions, names]) =>
      expressions
        .slice(0, isWhole ? undefined : 1)
        .flatMap((expression, i) =>
          (isWhole ? names : [names[i % names.length]]).map(
            (name) => [`{% set z = ${expression} %}`, name] as const,
          ),
        ),
    ),
  ),
  ...Object.values(statementCases).flatMap(([statements, names]) =>
    statements.flatMap((statement, i) =>
      (isWhole ? names : [names[i % names.length]]).map((name) => [statement, name] as const),
    ),
  ),
]

describe('a builtin called again and again with a large value ends with an error before two seconds', () => {
  test.each(cases)('%s on %s', (statement, name) => {
    const x = big(name)
    const template = compileTemplate(around(statement))
    const peakMiB = process.resourceUsage().maxRSS / 1024
    const before = process.cpuUsage()
    expect(() =>
      template.render((variable) => (variable === 'x' || variable === 'y' ? x : undefined)),
    ).toThrow(FettleError)
    const { user, system } = process.cpuUsage(before)
    // Of the processor, which is slower where other tests share its caches: there twice the two seconds of a quiet machine.
    expect((user + system) / 1e6).toBeLessThan(isWhole ? 2 : 4)
    expect(process.resourceUsage().maxRSS / 1024 - peakMiB).toBeLessThan(300)
  })
})

test.each([
  ['filters', [...readyFilters.keys()], filterCases],
  ['tests', [...readyTests.keys()], testCases],
  ['methods of texts', [...stringMethodNames], stringMethodCases],
  ['functions', globalNames.filter((name) => name !== 'raise_exception'), otherCases],
])('none of the %s is missing', (_, names, table) =>
  expect(names.filter((name) => !Object.hasOwn(table, name))).toEqual([]),
)
