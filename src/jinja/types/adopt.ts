import { JsonFloat, keysOf } from '../../formats/json/index.ts'
import { Fault } from '../fault.ts'
import { MAX_NESTING_DEPTH } from '../limits.ts'
import { normalize } from './numbers.ts'
import { Text, type Owner } from './text.ts'
import { PyDict, PyFloat, listOf, Scalar, type Key, type Value } from './values.ts'

/** More than a program holds: an array of a length without items would be counted through. */
const mostItems = 100_000_000

/**
 * A JSON value as the template sees it. With an owner, every part of it has one.
 * A JavaScript integer is a Python int; a JsonFloat says that it was written as a float.
 */
export function adoptValue(value: unknown, owner?: Owner, depth = 0): Value {
  if (depth > MAX_NESTING_DEPTH)
    throw new Fault('Limit', `a value that nests deeper than ${MAX_NESTING_DEPTH}`)
  if (typeof value === 'string') return owner === undefined ? value : new Text(value, owner)
  if (typeof value !== 'object' || value === null || value instanceof JsonFloat) {
    const scalar = adoptScalar(value)
    return owner === undefined ? scalar : new Scalar(scalar, owner)
  }
  if (!Array.isArray(value)) return adoptObject(value, owner, depth)
  if (value.length > mostItems) throw new Fault('Limit', `a list of ${value.length} items`)
  const items: Value[] = []
  // Not with map, which makes a list of the class that the value says it is of.
  for (let i = 0; i < value.length; i++) items.push(adoptValue(value[i], owner?.part(i), depth + 1))
  return listOf(items, owner)
}

function adoptScalar(value: unknown): Scalar['value'] {
  if (value instanceof JsonFloat) return new PyFloat(value.value)
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'bigint') return normalize(value)
  if (typeof value !== 'number')
    throw new Fault('TypeError', `a value of the JavaScript type ${typeof value}, which is not JSON`)
  if (!Number.isInteger(value) || Object.is(value, -0)) return new PyFloat(value)
  return Number.isSafeInteger(value) ? value : BigInt(value)
}

function adoptObject(value: object, owner: Owner | undefined, depth: number): PyDict {
  const adopted = new Map<Key, Value>()
  const adopt = (item: unknown, key: string): void => {
    // JSON has no undefined: a key without a value is an absent key.
    if (item !== undefined) adopted.set(key, adoptValue(item, owner?.part(key), depth + 1))
  }
  // A Map keeps its keys in their order, also those that look like numbers.
  if (value instanceof Map) value.forEach((item, key) => adopt(item, String(key)))
  else {
    const fields = value as Readonly<Record<string, unknown>>
    for (const key of keysOf(fields)) adopt(fields[key], key)
  }
  return new PyDict(adopted, undefined, owner)
}
