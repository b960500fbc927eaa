import type { CompareOperator } from '../parse/syntax.ts'
import { applyBinary } from '../types/arithmetic.ts'
import { defineBuiltins, type Builtin } from '../types/builtin.ts'
import { isAll } from '../types/case.ts'
import { compareWith, contains, isEqual } from '../types/compare.ts'
import { lengthOf } from '../types/iteration.ts'
import { asInteger } from '../types/numbers.ts'
import { toText } from '../types/print.ts'
import { plain } from '../types/text.ts'
import {
  bare,
  isStr,
  PyDict,
  PyFloat,
  PyIterator,
  PySequence,
  SafeText,
  strOf,
  Undefined,
  type Value,
} from '../types/values.ts'

const comparisons: readonly (readonly [CompareOperator, readonly string[]])[] = [
  ['==', ['==', 'eq', 'equalto']],
  ['!=', ['!=', 'ne']],
  ['>', ['>', 'gt', 'greaterthan']],
  ['>=', ['>=', 'ge']],
  ['<', ['<', 'lt', 'lessthan']],
  ['<=', ['<=', 'le']],
]

const isInteger = (value: Value): boolean =>
  asInteger(value) !== undefined && typeof bare(value) !== 'boolean'

const isFloat = (value: Value): boolean => bare(value) instanceof PyFloat

const isString = (value: Value): boolean => isStr(value) || value instanceof SafeText

function isSame(first: Value, second: Value): boolean {
  const text = strOf(first)
  return text === undefined ? bare(first) === bare(second) : text === strOf(second)
}

const named = defineBuiltins<Value, boolean>({
  'boolean()': (value) => typeof bare(value) === 'boolean',
  'defined()': (value) => !(value instanceof Undefined),
  'divisibleby(num)': (value, [divisor = null]) => isEqual(applyBinary('%', value, divisor), 0),
  'even()': (value) => isEqual(applyBinary('%', value, 2), 0),
  'false()': (value) => bare(value) === false,
  'float()': isFloat,
  'in(seq)': (value, [container = null]) => contains(container, value),
  'integer()': isInteger,
  'iterable()': (value) => lengthOf(value) !== undefined || value instanceof PyIterator,
  'lower()': (value) => isAll('lower', plain(toText(value))),
  'mapping()': (value) => value instanceof PyDict,
  'none()': (value) => bare(value) === null,
  'number()': (value) => asInteger(value) !== undefined || isFloat(value),
  'odd()': (value) => isEqual(applyBinary('%', value, 2), 1),
  'sameas(other)': (value, [other = null]) => isSame(value, other),
  // Undefined has a length and a __getitem__, though calling that raises.
  'sequence()': (value) =>
    lengthOf(value) !== undefined && !(value instanceof PySequence && value.type.startsWith('dict_')),
  'string()': isString,
  'true()': (value) => bare(value) === true,
  'undefined()': (value) => value instanceof Undefined,
  'upper()': (value) => isAll('upper', plain(toText(value))),
})

const comparing = comparisons.flatMap(([operator, names]) =>
  names.map((name): [string, Builtin<Value, boolean>['call']] => [
    `${name}(other)`,
    (value, [other = null]) => compareWith(operator, value, other),
  ]),
)

/** The tests of jinja2, the comparisons among them under their signs and names. */
export const tests: ReadonlyMap<string, Builtin<Value, boolean>> = new Map([
  ...named,
  ...defineBuiltins<Value, boolean>(Object.fromEntries(comparing)),
])
