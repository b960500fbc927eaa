import { Fault } from '../fault.ts'
import { formFault } from '../left-out.ts'
import { spendCharacters, spendReading, spendSteps } from '../meter.ts'
import { plain } from './text.ts'
import {
  bare,
  isStr,
  PyDict,
  PyFloat,
  PySequence,
  SafeText,
  typeName,
  Undefined,
  type Key,
  type Value,
} from './values.ts'

/** The dictionary key of a value: equal for values that Python holds equal. Throws for unhashable ones. */
export function keyOf(given: Value): Key {
  const value = given instanceof SafeText ? given.text : bare(given)
  if (isStr(value)) {
    const text = plain(value)
    spendReading(text.length)
    // Composite keys below start with NUL; a text that does so is kept apart from them.
    return text.startsWith('\0') ? `\0s${text}` : text
  }
  if (typeof value === 'boolean') return Number(value)
  if (typeof value === 'number' || typeof value === 'bigint' || value === null) return value
  if (value instanceof PyFloat) return floatKey(value.value)
  if (value instanceof PySequence && (value.type === 'tuple' || value.type === 'range')) {
    spendSteps(value.items.length)
    const parts = JSON.stringify(value.items.map((item) => tagged(keyOf(item))))
    spendCharacters(parts.length * 2)
    return `\0${value.type}${parts}`
  }
  if (value instanceof Undefined) return '\0u'
  if (value instanceof PyDict || (value instanceof PySequence && value.type !== 'dict_values'))
    throw new Fault('TypeError', `unhashable type: '${typeName(value)}'`)
  throw formFault('a key that is no data')
}

function floatKey(value: number): Key {
  if (!Number.isInteger(value)) return `\0f${value}`
  return Number.isSafeInteger(value) ? value + 0 : BigInt(value)
}

function tagged(key: Key): string {
  return `${typeof key}:${String(key)}`
}

/** Builds a dictionary from keys and values; a later equal key replaces the value and keeps the first key. */
export function makeDict(pairs: Iterable<readonly [Value, Value]>): PyDict {
  const entries = new Map<Key, Value>()
  const keys = new Map<Key, Value>()
  for (const [key, value] of pairs) {
    spendSteps(1)
    const hashed = keyOf(key)
    if (key !== hashed && !entries.has(hashed)) keys.set(hashed, key)
    entries.set(hashed, value)
  }
  return new PyDict(entries, keys.size > 0 ? keys : undefined)
}
