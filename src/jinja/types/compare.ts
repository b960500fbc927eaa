import { Fault } from '../fault.ts'
import { enter, leave, spendReading, spendSteps } from '../meter.ts'
import type { CompareOperator } from '../parse/syntax.ts'
import { iterator } from './iteration.ts'
import { keyOf } from './keys.ts'
import { asInteger } from './numbers.ts'
import { indexOfText } from './search.ts'
import { compareCodePoints, plain } from './text.ts'
import {
  bare,
  isListOrTuple,
  isStr,
  PyDict,
  PyFloat,
  PyIterator,
  PySequence,
  requireDefined,
  SafeText,
  typeFault,
  typeName,
  Undefined,
  type Bare,
  type Value,
} from './values.ts'

/** What two values compare as: a safe text is its text. */
function comparable(value: Value): Bare {
  return value instanceof SafeText ? value.text : bare(value)
}

/** Python's ==. */
export function isEqual(first: Value, second: Value): boolean {
  const left = comparable(first)
  const right = comparable(second)
  if (isStr(left)) {
    if (!isStr(right) || plain(left).length !== plain(right).length) return false
    spendReading(plain(left).length)
    return plain(left) === plain(right)
  }
  if (isStr(right)) return false
  if (left === null || right === null) return left === right
  const leftNumber = numeric(left)
  const rightNumber = numeric(right)
  // oxlint-disable-next-line eqeqeq -- 1 == 1n is what Python means
  if (leftNumber !== undefined || rightNumber !== undefined) return leftNumber == rightNumber
  if (left instanceof Undefined) return right instanceof Undefined
  return left === right || isContainerEqual(left, right)
}

function numeric(value: Bare): number | bigint | undefined {
  return value instanceof PyFloat ? value.value : asInteger(value)
}

function isContainerEqual(left: Bare, right: Bare): boolean {
  if (left instanceof PyDict) return right instanceof PyDict && isDictEqual(left, right)
  if (!(left instanceof PySequence) || !(right instanceof PySequence)) return false
  if (left.items.length !== right.items.length || left.type === 'dict_values') return false
  // Views of keys and of items compare as sets.
  if (left.isView) return right.isView && isEvery(left.items, (item) => contains(right, item))
  return (
    left.type === right.type &&
    isEvery(left.items, (item, index) => isEqual(item, right.items[index] ?? null))
  )
}

function isEvery<T>(items: readonly T[], holds: (item: T, index: number) => boolean): boolean {
  spendSteps(items.length)
  enter()
  const result = items.every(holds)
  leave()
  return result
}

function isDictEqual(left: PyDict, right: PyDict): boolean {
  if (left.entries.size !== right.entries.size) return false
  return isEvery([...left.entries], ([key, value]) => {
    const other = right.entries.get(key)
    return other !== undefined && isEqual(value, other)
  })
}

/** Below, at or above 0 by Python's <; NaN where neither holds. Throws where the types have no order. */
export function compareValues(first: Value, second: Value, operator = '<'): number {
  const left = comparable(first)
  const right = comparable(second)
  if (isStr(left) && isStr(right)) {
    spendReading(Math.min(plain(left).length, plain(right).length))
    return compareCodePoints(plain(left), plain(right))
  }
  const leftNumber = numeric(left)
  const rightNumber = numeric(right)
  if (leftNumber !== undefined && rightNumber !== undefined) {
    if (leftNumber < rightNumber) return -1
    return leftNumber > rightNumber ? 1 : leftNumber == rightNumber ? 0 : Number.NaN // oxlint-disable-line eqeqeq
  }
  requireDefined(left)
  requireDefined(right)
  if (!isListOrTuple(left) || !isListOrTuple(right) || left.type !== right.type) {
    const types = `'${typeName(left)}' and '${typeName(right)}'`
    throw new Fault('TypeError', `'${operator}' not supported between instances of ${types}`)
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
  const value = comparable(container)
  if (isStr(value)) {
    const wanted = comparable(item)
    if (!isStr(wanted))
      throw typeFault(wanted, `'in <string>' requires string as left operand, not ${typeName(wanted)}`)
    return indexOfText(plain(value), plain(wanted)) !== -1
  }
  if (value instanceof PyDict) return value.entries.has(keyOf(item))
  if (!(value instanceof PySequence || value instanceof PyIterator || value instanceof Undefined))
    throw new Fault('TypeError', `argument of type '${typeName(value)}' is not iterable`)
  // Keys are looked up, which what has no hash cannot be.
  if (value instanceof PySequence && value.type === 'dict_keys') keyOf(item)
  const next = iterator(value)
  for (let candidate = next(); candidate !== undefined; candidate = next()) {
    // Python's `in` holds an object to be itself before it compares.
    if (candidate === item || isEqual(candidate, item)) return true
  }
  return false
}

/** One comparison of a chain. */
export function compareWith(operator: CompareOperator, left: Value, right: Value): boolean {
  if (operator === '==') return isEqual(left, right)
  if (operator === '!=') return !isEqual(left, right)
  if (operator === 'in') return contains(right, left)
  if (operator === 'not in') return !contains(right, left)
  const order = compareValues(left, right, operator)
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  return operator === '>' ? order > 0 : order >= 0
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
