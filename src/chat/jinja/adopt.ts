import { Fault } from './fault.ts'
import { MAX_NESTING_DEPTH } from './limits.ts'
import { Text, type Source } from './text.ts'
import { PyDict, PyFloat, PyList, Scalar, childSource, type Key, type Value } from './values.ts'

/**
 * A JSON value as the template sees it. With a source, everything inside knows its field.
 * A JavaScript integer is a Python int: JSON's 1.0 cannot be told from 1 any more.
 */
export function adoptValue(value: unknown, source?: Source, depth = 0): Value {
  if (depth > MAX_NESTING_DEPTH)
    throw new Fault('Limit', `a value that nests deeper than ${MAX_NESTING_DEPTH}`)
  if (typeof value === 'string') return source === undefined ? value : new Text(value, source)
  if (value === null || value === undefined) return source === undefined ? null : new Scalar(null, source)
  if (typeof value === 'boolean' || typeof value === 'bigint') {
    return source === undefined ? value : new Scalar(value, source)
  }
  if (typeof value === 'number') {
    const number = adoptNumber(value)
    return source === undefined ? number : new Scalar(number, source)
  }
  if (Array.isArray(value)) {
    return new PyList(
      value.map((item, index) => adoptValue(item, childSource(source, index), depth + 1)),
      source,
    )
  }
  if (value instanceof Map) return adoptEntries(value.entries(), source, depth)
  if (typeof value === 'object') return adoptEntries(Object.entries(value), source, depth)
  throw new Fault('TypeError', `a value of the JavaScript type ${typeof value}, which is not JSON`)
}

function adoptNumber(value: number): number | bigint | PyFloat {
  if (!Number.isInteger(value) || Object.is(value, -0)) return new PyFloat(value)
  return Number.isSafeInteger(value) ? value : BigInt(value)
}

function adoptEntries(
  entries: Iterable<[unknown, unknown]>,
  source: Source | undefined,
  depth: number,
): PyDict {
  const adopted = new Map<Key, Value>()
  for (const [key, value] of entries) {
    // JSON has no undefined: a key without a value is an absent key.
    if (value === undefined) continue
    const name = String(key)
    adopted.set(name, adoptValue(value, childSource(source, name), depth + 1))
  }
  return new PyDict(adopted, undefined, source)
}

/** The messages of a conversation, each character marked with its message and field; `train` is not shown. */
export function adoptMessages(messages: readonly object[]): Value[] {
  return messages.map((message, index) => {
    const entries = new Map<Key, Value>()
    for (const [field, value] of Object.entries(message)) {
      if (field === 'train' || value === undefined) continue
      entries.set(field, adoptValue(value, { message: index, field }, 1))
    }
    return new PyDict(entries, undefined, { message: index, field: '' })
  })
}
