import { Fault } from '../fault.ts'
import { isAll } from '../types/case.ts'
import { compareWith, contains, isEqual } from '../types/compare.ts'
import { applyBinary } from '../types/arithmetic.ts'
import { isInteger } from '../types/numbers.ts'
import { keyOf } from '../types/keys.ts'
import { toText } from '../types/print.ts'
import { plain, Text } from '../types/text.ts'
import { bindArguments, signature, type Signature } from '../types/parameters.ts'
import { lengthOf } from '../types/iteration.ts'
import {
  bare,
  isStr,
  PyComplex,
  PyDict,
  PyFloat,
  PyFunction,
  PyIterator,
  PyObjectValue,
  PySet,
  PyView,
  Undefined,
  type Named,
  type Value,
} from '../types/values.ts'
import type { CompareOperator } from '../parse/syntax.ts'

interface Test {
  readonly signature: Signature
  holds(value: Value, argument: Value): boolean
}

function test(holds: (value: Value) => boolean): Test {
  return { signature: signature('value'), holds }
}

function comparison(operator: CompareOperator): Test {
  return {
    signature: signature('value, other'),
    holds: (value, other) => compareWith(operator, value, other),
  }
}

function isIterable(given: Value): boolean {
  const value = bare(given)
  return (
    lengthOf(value) !== undefined ||
    value instanceof PyIterator ||
    (value instanceof PyObjectValue && value.object.next !== undefined)
  )
}

function isSequence(given: Value): boolean {
  const value = bare(given)
  // Undefined has a length and a __getitem__, though calling that raises.
  const hasItems =
    !(value instanceof PyView) && !(value instanceof PySet) && !(value instanceof PyObjectValue)
  return hasItems && lengthOf(value) !== undefined
}

function isSame(first: Value, second: Value): boolean {
  const left = bare(first)
  const right = bare(second)
  if (isStr(left) && isStr(right)) return plain(left) === plain(right)
  if (left instanceof PyFloat && right instanceof PyFloat) return left === right
  return left === right
}

const isNumber = (value: Value): boolean => {
  const stripped = bare(value)
  return isInteger(stripped) || stripped instanceof PyFloat || stripped instanceof PyComplex
}

function isCallable(given: Value): boolean {
  const value = bare(given)
  // Undefined has a __call__, which raises.
  return (
    value instanceof PyFunction ||
    value instanceof Undefined ||
    (value instanceof PyObjectValue && value.object.call !== undefined)
  )
}

/** The tests of jinja2. */
const tests: ReadonlyMap<string, Test> = new Map([
  ['odd', test((value) => isEqual(applyBinary('%', value, 2), 1))],
  ['even', test((value) => isEqual(applyBinary('%', value, 2), 0))],
  [
    'divisibleby',
    {
      signature: signature('value, num'),
      holds: (value, divisor) => compareWith('==', applyBinary('%', value, divisor), 0),
    },
  ],
  ['defined', test((value) => !(bare(value) instanceof Undefined))],
  ['undefined', test((value) => bare(value) instanceof Undefined)],
  ['none', test((value) => bare(value) === null)],
  ['boolean', test((value) => typeof bare(value) === 'boolean')],
  ['false', test((value) => bare(value) === false)],
  ['true', test((value) => bare(value) === true)],
  ['integer', test((value) => typeof bare(value) === 'number' || typeof bare(value) === 'bigint')],
  ['float', test((value) => bare(value) instanceof PyFloat)],
  ['lower', test((value) => isAll('lower', plain(toText(value))))],
  ['upper', test((value) => isAll('upper', plain(toText(value))))],
  ['string', test((value) => isStr(bare(value)))],
  ['mapping', test((value) => bare(value) instanceof PyDict)],
  ['number', test(isNumber)],
  ['sequence', test(isSequence)],
  ['iterable', test(isIterable)],
  ['callable', test(isCallable)],
  ['sameas', { signature: signature('value, other'), holds: isSame }],
  ['escaped', test((value) => value instanceof Text && value.markup)],
  ['in', { signature: signature('value, seq'), holds: (value, container) => contains(container, value) }],
  ['test', test(isTestName)],
  ...(
    [
      ['==', ['==', 'eq', 'equalto']],
      ['!=', ['!=', 'ne']],
      ['>', ['>', 'gt', 'greaterthan']],
      ['>=', ['>=', 'ge']],
      ['<', ['<', 'lt', 'lessthan']],
      ['<=', ['<=', 'le']],
    ] as const
  ).flatMap(([operator, names]) => names.map((name): [string, Test] => [name, comparison(operator)])),
])

function isTestName(value: Value): boolean {
  const key = keyOf(value)
  return typeof key === 'string' && hasTest(key)
}

/** The names of all tests. */
export const testNames: readonly string[] = [...tests.keys(), 'filter']

/** Whether jinja2 has a test of this name. */
export function hasTest(name: string): boolean {
  return tests.has(name) || name === 'filter'
}

/** Runs a test. */
export function callTest(name: string, value: Value, positional: readonly Value[], named: Named): boolean {
  const found = tests.get(name)
  if (found === undefined) throw new Fault('TemplateError', `No test named '${name}'`)
  if (positional.length === 0 && named.size === 0 && found.signature.required === 1)
    return found.holds(value, null)
  const [first = null, second = null] = bindArguments(name, found.signature, [value, ...positional], named)
  return found.holds(first, second)
}
