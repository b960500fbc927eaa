import { Fault } from './fault.ts'
import { plain } from './text.ts'
import {
  bare,
  isStr,
  PyDict,
  PyFloat,
  PyIterator,
  PyList,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  type Key,
  type Value,
} from './values.ts'

/** The dictionary key of a value: equal for values that Python holds equal. Throws for unhashable ones. */
export function keyOf(given: Value): Key {
  const value = bare(given)
  if (isStr(value)) {
    const text = plain(value)
    // Composite keys below start with NUL; a text that does so is kept apart from them.
    return text.startsWith('\0') ? `\0s${text}` : text
  }
  if (typeof value === 'boolean') return Number(value)
  if (typeof value === 'number' || typeof value === 'bigint' || value === null) return value
  if (value instanceof PyFloat) return Number.isInteger(value.value) ? value.value : `\0f${value.value}`
  if (value instanceof PyTuple) return `\0t${JSON.stringify(value.items.map((item) => tagged(keyOf(item))))}`
  if (value instanceof PyList || value instanceof PyDict || value instanceof PyView) {
    throw new Fault('TypeError', `unhashable type: '${typeName(value)}'`)
  }
  if (value instanceof Undefined) return '\0u'
  if (value instanceof PyIterator) return `\0i${identityOf(value)}`
  return `\0o${identityOf(value)}`
}

function tagged(key: Key): string {
  return `${typeof key}:${String(key)}`
}

const identities = new WeakMap<object, number>()
let lastIdentity = 0

function identityOf(value: object): number {
  const known = identities.get(value)
  if (known !== undefined) return known
  lastIdentity += 1
  identities.set(value, lastIdentity)
  return lastIdentity
}

/** Builds a dictionary from keys and values; a later equal key replaces the value and keeps the first key. */
export function makeDict(pairs: Iterable<readonly [Value, Value]>): PyDict {
  const entries = new Map<Key, Value>()
  const keys = new Map<Key, Value>()
  for (const [key, value] of pairs) {
    const hashed = keyOf(key)
    if (key !== hashed && !entries.has(hashed)) keys.set(hashed, key)
    entries.set(hashed, value)
  }
  return new PyDict(entries, keys.size > 0 ? keys : undefined)
}
