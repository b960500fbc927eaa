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

const comparing =
  (operator: CompareOperator): Builtin<Value, boolean>['call'] =>
  (value, [other = null]) =>
    compareWith(operator, value, other)

const isInteger = (value: Value): boolean =>
  asInteger(value) !== undefined && typeof bare(value) !== 'boolean'

const isFloat = (value: Value): boolean => bare(value) instanceof PyFloat

const isString = (value: Value): boolean => isStr(value) || value instanceof SafeText

function isSame(first: Value, second: Value): boolean {
  const text = strOf(first)
  return text === undefined ? bare(first) === bare(second) : text === strOf(second)
}

/** The tests of jinja2, the comparisons among them under their signs and names. */
export const tests = defineBuiltins<Value, boolean>({
  '!=(other)': comparing('!='),
  '<(other)': comparing('<'),
  '<=(other)': comparing('<='),
  '==(other)': comparing('=='),
  '>(other)': comparing('>'),
  '>=(other)': comparing('>='),
  'boolean()': (value) => typeof bare(value) === 'boolean',
  'defined()': (value) => !(value instanceof Undefined),
  'divisibleby(num)': (value, [divisor = null]) => isEqual(applyBinary('%', value, divisor), 0),
  'eq(other)': comparing('=='),
  'equalto(other)': comparing('=='),
  'even()': (value) => isEqual(applyBinary('%', value, 2), 0),
  'false()': (value) => bare(value) === false,
  'float()': isFloat,
  'ge(other)': comparing('>='),
  'greaterthan(other)': comparing('>'),
  'gt(other)': comparing('>'),
  'in(seq)': (value, [container = null]) => contains(container, value),
  'integer()': isInteger,
  'iterable()': (value) => lengthOf(value) !== undefined || value instanceof PyIterator,
  'le(other)': comparing('<='),
  'lessthan(other)': comparing('<'),
  'lt(other)': comparing('<'),
  'lower()': (value) => isAll('lower', plain(toText(value))),
  'mapping()': (value) => value instanceof PyDict,
  'ne(other)': comparing('!='),
  'none()': (value) => bare(value) === null,
  'number()': (value) => asInteger(value) !== undefined || isFloat(value),
  'odd()': (value) => isEqual(applyBinary('%', value, 2), 1),
  'sameas(other)': (value, [other = null]) => isSame(value, other),
  // Undefined has a length and a __getitem__, though calling that raises.
  'sequence()': (value) => lengthOf(value) !== undefined && !(value instanceof PySequence && value.isView),
  'string()': isString,
  'true()': (value) => bare(value) === true,
  'undefined()': (value) => value instanceof Undefined,
  'upper()': (value) => isAll('upper', plain(toText(value))),
})
