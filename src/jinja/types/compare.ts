import { Fault } from '../fault.ts'
import { compareCodePoints } from './json.ts'
import { keyOf } from './keys.ts'
import { asInteger, asNumber } from './numbers.ts'
import { enter, leave, spendReading, spendSteps } from '../meter.ts'
import { plain } from './text.ts'
import { bytesOrByte } from './bytes-methods.ts'
import { iterator } from './iteration.ts'
import {
  bare,
  isStr,
  PyBytes,
  PyComplex,
  PyDict,
  PyFloat,
  PyIterator,
  PyList,
  PyObjectValue,
  PyRange,
  PySet,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  undefinedFault,
  type Bare,
  type Value,
} from './values.ts'
import type { CompareOperator } from '../parse/syntax.ts'

/** Python's ==. */
export function isEqual(first: Value, second: Value): boolean {
  const left = bare(first)
  const right = bare(second)
  if (isStr(left)) {
    if (!isStr(right) || plain(left).length !== plain(right).length) return false
    spendReading(plain(left).length)
    return plain(left) === plain(right)
  }
  if (isStr(right)) return false
  if (left === null || right === null) return left === right
  if (left instanceof PyComplex || right instanceof PyComplex) return isComplexEqual(left, right)
  const leftNumber = numeric(left)
  const rightNumber = numeric(right)
  // oxlint-disable-next-line eqeqeq -- 1 == 1n is what Python means
  if (leftNumber !== undefined || rightNumber !== undefined) return leftNumber == rightNumber
  if (left instanceof Undefined) return right instanceof Undefined
  return isContainerEqual(left, right)
}

function isComplexEqual(left: Bare, right: Bare): boolean {
  const [first, second] = [left, right].map((value) =>
    value instanceof PyComplex ? value : new PyComplex(asNumber(value) ?? Number.NaN, 0),
  )
  return first?.real === second?.real && first?.imag === second?.imag
}

/** What compares as a set: a set, or a view of keys or items. */
function isSetLike(value: Bare): value is PySet | PyView {
  return value instanceof PySet || (value instanceof PyView && value.type !== 'dict_values')
}

/** Whether each member of one is in the other. */
export function isSubset(left: PySet | PyView, right: PySet | PyView): boolean {
  const next = iterator(left)
  for (let item = next(); item !== undefined; item = next()) {
    spendSteps(1)
    if (!contains(right, item)) return false
  }
  return true
}

const sizeOf = (set: PySet | PyView): number => (set instanceof PySet ? set.items.size : set.items.length)

function isContainerEqual(left: Bare, right: Bare): boolean {
  if (left === right) return true
  if (left instanceof PyBytes) return right instanceof PyBytes && plain(left.text) === plain(right.text)
  if (isSetLike(left) && isSetLike(right)) {
    // A set leaves the comparison with a view to the view.
    const [view, other] = left instanceof PySet ? [right, left] : [left, right]
    return sizeOf(view) === sizeOf(other) && isSubset(view, other)
  }
  if (left instanceof PyDict) return right instanceof PyDict && isDictEqual(left, right)
  const isList = left instanceof PyList && right instanceof PyList
  const isTuple = left instanceof PyTuple && right instanceof PyTuple
  if (isList || isTuple) return areItemsEqual(left.items, right.items)
  if (left instanceof PyRange && right instanceof PyRange) {
    return (
      left.length === right.length &&
      (left.length === 0 || (left.start === right.start && (left.length === 1 || left.step === right.step)))
    )
  }
  return false
}

function areItemsEqual(left: readonly Value[], right: readonly Value[]): boolean {
  if (left.length !== right.length) return false
  spendSteps(left.length)
  enter()
  const result = left.every((item, index) => isEqual(item, right[index] ?? null))
  leave()
  return result
}

function isDictEqual(left: PyDict, right: PyDict): boolean {
  if (left.entries.size !== right.entries.size) return false
  spendSteps(left.entries.size)
  enter()
  let result = true
  for (const [key, value] of left.entries) {
    const other = right.entries.get(key)
    if (other === undefined || !isEqual(value, other)) {
      result = false
      break
    }
  }
  leave()
  return result
}

function numeric(value: Bare): number | bigint | undefined {
  return value instanceof PyFloat ? value.value : asInteger(value)
}

/** -1, 0 or 1 by Python's <; throws where the types have no order. NaN is greater than everything. */
export function compareValues(first: Value, second: Value, operator = '<'): number {
  const left = bare(first)
  const right = bare(second)
  if (isStr(left) && isStr(right)) return compareCodePoints(plain(left), plain(right))
  const leftNumber = numeric(left)
  const rightNumber = numeric(right)
  if (leftNumber !== undefined && rightNumber !== undefined) {
    if (leftNumber < rightNumber) return -1
    return leftNumber > rightNumber ? 1 : leftNumber == rightNumber ? 0 : Number.NaN // oxlint-disable-line eqeqeq
  }
  if (left instanceof Undefined) throw undefinedFault(left)
  if (right instanceof Undefined) throw undefinedFault(right)
  if (left instanceof PyBytes && right instanceof PyBytes)
    return compareCodePoints(plain(left.text), plain(right.text))
  if (isSetLike(left) && isSetLike(right)) {
    if (isContainerEqual(left, right)) return 0
    return isSubset(left, right) ? -1 : 1
  }
  const isList = left instanceof PyList && right instanceof PyList
  const isTuple = left instanceof PyTuple && right instanceof PyTuple
  if (!isList && !isTuple) {
    const message = `'${operator}' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`
    throw new Fault('TypeError', message)
  }
  spendSteps(left.items.length)
  for (let index = 0; index < Math.min(left.items.length, right.items.length); index += 1) {
    const a = left.items[index] ?? null
    const b = right.items[index] ?? null
    if (!isEqual(a, b)) return compareValues(a, b, operator)
  }
  return left.items.length - right.items.length
}

/** Python's `in`. */
export function contains(container: Value, item: Value): boolean {
  const value = bare(container)
  if (isStr(value)) {
    const wanted = bare(item)
    if (wanted instanceof Undefined) throw undefinedFault(wanted)
    if (!isStr(wanted)) {
      throw new Fault('TypeError', `'in <string>' requires string as left operand, not ${typeName(wanted)}`)
    }
    spendReading(plain(value).length)
    return plain(value).includes(plain(wanted))
  }
  if (value instanceof PyDict) return value.entries.has(keyOf(item))
  // A set in a set is looked for as a frozenset, which no template can make.
  if (value instanceof PySet) return !(bare(item) instanceof PySet) && value.items.has(keyOf(item))
  if (value instanceof PyView && value.type === 'dict_items') return containsPair(value.dict, bare(item))
  if (value instanceof PyView && value.type === 'dict_keys') return value.dict.entries.has(keyOf(item))
  if (value instanceof PyBytes) return plain(value.text).includes(bytesOrByte(item))
  if (value instanceof PyRange) {
    const wanted = asNumber(item)
    if (wanted === undefined || !Number.isInteger(wanted)) return false
    const steps = (wanted - value.start) / value.step
    return Number.isInteger(steps) && steps >= 0 && steps < value.length
  }
  if (
    value instanceof PyObjectValue ||
    value instanceof PyIterator ||
    value instanceof PyList ||
    value instanceof PyTuple ||
    value instanceof PyView ||
    value instanceof Undefined
  ) {
    const next = iterator(value)
    for (let candidate = next(); candidate !== undefined; candidate = next()) {
      spendSteps(1)
      // Python's `in` holds an object to be itself before it compares.
      if (candidate === item || isEqual(candidate, item)) return true
    }
    return false
  }
  throw new Fault('TypeError', `argument of type '${typeName(value)}' is not iterable`)
}

function containsPair(dict: PyDict, pair: Bare): boolean {
  if (!(pair instanceof PyTuple) || pair.items.length !== 2) return false
  const [key = null, value = null] = pair.items
  const found = dict.entries.get(keyOf(key))
  return found !== undefined && isEqual(found, value)
}

/** One comparison of a chain. */
export function compareWith(operator: CompareOperator, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right)
    case '!=':
      return !isEqual(left, right)
    case 'in':
      return contains(right, left)
    case 'not in':
      return !contains(right, left)
    default:
      return compareSets(operator, left, right) ?? compareOrdered(operator, left, right)
  }
}

function compareOrdered(operator: string, left: Value, right: Value): boolean {
  const order = compareValues(left, right, operator)
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  return operator === '>' ? order > 0 : order >= 0
}

/** Sets are ordered by inclusion; `undefined` where not both are sets. */
function compareSets(operator: string, left: Value, right: Value): boolean | undefined {
  const first = bare(left)
  const second = bare(right)
  if (!isSetLike(first) || !isSetLike(second)) return undefined
  const [small, large] = operator.startsWith('<') ? [first, second] : [second, first]
  const fits = operator.length === 2 ? sizeOf(small) <= sizeOf(large) : sizeOf(small) < sizeOf(large)
  return fits && isSubset(small, large)
}

/** A stable sort by Python's order, with keys computed once. */
export function sortValues(items: readonly Value[], key: (item: Value) => Value, reverse: boolean): Value[] {
  spendSteps(items.length * Math.ceil(Math.log2(items.length + 2)))
  const keyed = items.map((item) => ({ item, key: key(item) }))
  // Python keeps equal items in order when it sorts in reverse, too.
  keyed.sort((left, right) =>
    reverse ? compareValues(right.key, left.key) : compareValues(left.key, right.key),
  )
  return keyed.map(({ item }) => item)
}
