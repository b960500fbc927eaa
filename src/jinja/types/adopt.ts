import { Fault } from '../fault.ts'
import { MAX_NESTING_DEPTH } from '../limits.ts'
import { Text, type Owner } from './text.ts'
import { PyDict, PyFloat, listOf, Scalar, type Key, type Value } from './values.ts'

/**
 * A JSON value as the template sees it. With an owner, every part of it has one.
 * A JavaScript integer is a Python int: JSON's 1.0 cannot be told from 1 any more.
 */
export function adoptValue(value: unknown, owner?: Owner, depth = 0): Value {
  if (depth > MAX_NESTING_DEPTH)
    throw new Fault('Limit', `a value that nests deeper than ${MAX_NESTING_DEPTH}`)
  if (typeof value === 'string') return owner === undefined ? value : new Text(value, owner)
  const scalar = adoptScalar(value)
  if (scalar !== undefined) return owner === undefined ? scalar : new Scalar(scalar, owner)
  if (Array.isArray(value)) {
    return listOf(
      value.map((item, index) => adoptValue(item, owner?.part(index), depth + 1)),
      owner,
    )
  }
  if (value instanceof Map) return adoptEntries(value.entries(), owner, depth)
  if (typeof value === 'object' && value !== null) return adoptEntries(Object.entries(value), owner, depth)
  throw new Fault('TypeError', `a value of the JavaScript type ${typeof value}, which is not JSON`)
}

function adoptScalar(value: unknown): Scalar['value'] | undefined {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean' || typeof value === 'bigint') return value
  if (typeof value !== 'number') return undefined
  if (!Number.isInteger(value) || Object.is(value, -0)) return new PyFloat(value)
  return Number.isSafeInteger(value) ? value : BigInt(value)
}

function adoptEntries(
  entries: Iterable<[unknown, unknown]>,
  owner: Owner | undefined,
  depth: number,
): PyDict {
  const adopted = new Map<Key, Value>()
  for (const [key, value] of entries) {
    // JSON has no undefined: a key without a value is an absent key.
    if (value === undefined) continue
    const name = String(key)
    adopted.set(name, adoptValue(value, owner?.part(name), depth + 1))
  }
  return new PyDict(adopted, undefined, owner)
}
