import { describe, expect, test } from 'vitest'
import { FettleError } from '../../src/error.ts'
import { globalNames, readyFilters, readyTests } from '../../src/jinja/filters/index.ts'
import { adoptValue, compileTemplate, type Owner } from '../../src/jinja/index.ts'
import { spentShare } from '../../src/jinja/meter.ts'
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

/** FETTLE_BUDGET=all prices every expression on every input, which takes some minutes; else one of each builtin on one is tried. */
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

const shownTo = (x: Value, rounds: number) => (variable: string) =>
  variable === 'x' || variable === 'y' ? x : variable === 'rounds' ? rounds : undefined

/** Seconds of the processor that a render takes, until its end or its budget's. */
function secondsOf(source: string, x: Value, rounds = 0): { seconds: number; hasEnded: boolean } {
  const template = compileTemplate(source)
  const before = process.cpuUsage()
  let hasEnded = false
  try {
    template.render(shownTo(x, rounds))
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    hasEnded = true
  }
  const { user, system } = process.cpuUsage(before)
  return { seconds: (user + system) / 1e6, hasEnded }
}

/**
 * What the whole budget would take if it were used for this alone: the time of so few rounds as can be measured, by the share of the
 * budget that they used. What looks dear is run to its end: code is slow until it is compiled.
 */
function priceOf(statement: string, x: Value): number {
  const start =
    "{% macro m(v) %}{{ v }}{% if caller %}{{ caller(v) }}{% endif %}{% endmacro %}{% set ns = namespace(x='') %}"
  for (let rounds = 1; ; rounds = Math.min(4 * rounds, 99_999)) {
    const { seconds, hasEnded } = secondsOf(
      `${start}{% for i in range(rounds) %}${statement}{% endfor %}`,
      x,
      rounds,
    )
    if (hasEnded) return seconds
    if (seconds < 0.05 && rounds < 99_999) continue
    const price = seconds / spentShare()
    return price < 1.5 ? price : secondsOf(around(statement), x).seconds
  }
}

describe.runIf(isWhole)('no builtin on any input takes two seconds for the whole budget', () => {
  test.each(cases)('%s on %s', (statement, name) => {
    const peakMiB = process.resourceUsage().maxRSS / 1024
    expect(priceOf(statement, big(name))).toBeLessThan(2)
    expect(process.resourceUsage().maxRSS / 1024 - peakMiB).toBeLessThan(300)
  })
})

describe.skipIf(isWhole)(
  'a builtin called again and again with a large value ends with an error before two seconds',
  () => {
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
      expect((user + system) / 1e6).toBeLessThan(4)
      expect(process.resourceUsage().maxRSS / 1024 - peakMiB).toBeLessThan(300)
    })
  },
)

test.each([
  ['filters', [...readyFilters.keys()], filterCases],
  ['tests', [...readyTests.keys()], testCases],
  ['methods of texts', [...stringMethodNames], stringMethodCases],
  ['functions', globalNames.filter((name) => name !== 'raise_exception'), otherCases],
])('none of the %s is missing', (_, names, table) =>
  expect(names.filter((name) => !Object.hasOwn(table, name))).toEqual([]),
)
