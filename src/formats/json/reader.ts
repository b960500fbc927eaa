import { JsonFloat, keyOrder } from './values.ts'

/** Deepest nesting: Python's own reader ends at about so many. */
const mostNested = 1000

/** Most digits of an integer that Python reads or prints. */
const mostDigits = 4300

/** What is wrong in a JSON text, and where. */
export class JsonFault {
  /** Of the character, from 0. */
  readonly offset: number
  readonly found: string
  readonly expected: string
  readonly cure: string | undefined

  constructor(offset: number, found: string, expected: string, cure?: string) {
    this.offset = offset
    this.found = found
    this.expected = expected
    this.cure = cure
  }
}

/**
 * Reads one JSON value and loses nothing: integers of any size, 1 and 1.0 apart, keys in their order.
 *
 * @throws JsonFault where it is not JSON, repeats a key, or holds NaN or a number that no float can hold
 */
export function readJsonText(text: string): unknown {
  let at = 0

  function fault(found: string, expected: string, cure?: string, offset = at): never {
    throw new JsonFault(offset, found, expected, cure)
  }

  function unexpected(expected: string): never {
    if (at >= text.length) fault('it ends inside a value', expected)
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
    const [word] = /^-?\w+/.exec(text.slice(at, at + 40)) ?? []
    if (word !== undefined && /^-?(?:NaN|Infinity|inf|nan)$/.test(word))
      fault(word, 'a number or null', 'JSON has no such number: write null, or leave the key out.')
    if (word === 'None' || word === 'True' || word === 'False')
      fault(word, expected, 'JSON writes null, true and false.')
    if (character === "'") fault('a single quote', expected, 'JSON has names and texts in double quotes.')
    if (/^(?:#|\/\/|\/\*)/.test(text.slice(at, at + 2)))
      fault('a comment', expected, 'JSON has none: take it out.')
    fault(word === undefined ? JSON.stringify(character) : `the word ${word}`, expected)
  }

  function skipSpace(): void {
    for (;;) {
      const code = text.charCodeAt(at)
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
      at += 1
    }
  }

  function readValue(depth: number): unknown {
    if (depth > mostNested)
      fault(`a value that nests deeper than ${mostNested}`, `at most ${mostNested} levels`)
    skipSpace()
    const character = text.charAt(at)
    if (character === '{') return readObject(depth)
    if (character === '[') return readArray(depth)
    if (character === '"') return readString()
    if (character === '-' || (character >= '0' && character <= '9')) return readNumber()
    for (const [name, value] of literals)
      if (text.startsWith(name, at) && !/\w/.test(text.charAt(at + name.length))) {
        at += name.length
        return value
      }
    return unexpected('a JSON value')
  }

  function readObject(depth: number): Record<string, unknown> {
    at += 1
    const object: Record<string, unknown> = {}
    const keys = new Set<string>()
    let hasIndex = false
    skipSpace()
    if (text.charAt(at) === '}') {
      at += 1
      return object
    }
    for (;;) {
      skipSpace()
      const start = at
      if (text.charAt(at) !== '"')
        unexpected(keys.size === 0 ? 'a name in double quotes or }' : 'a name in double quotes')
      const key = readString()
      if (keys.has(key))
        fault(
          `the key ${JSON.stringify(key.slice(0, 40))} twice in one object`,
          'each key once',
          undefined,
          start,
        )
      keys.add(key)
      hasIndex ||= isIndex(key)
      skipSpace()
      if (text.charAt(at) !== ':') unexpected("':' behind the name")
      at += 1
      const value = readValue(depth + 1)
      // Assigning to this name would change the prototype.
      if (key === '__proto__')
        Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true })
      else object[key] = value
      skipSpace()
      if (closes('}', "',' or }")) break
    }
    if (hasIndex && keys.size > 1) Object.assign(object, { [keyOrder]: [...keys] })
    return object
  }

  function readArray(depth: number): unknown[] {
    at += 1
    const items: unknown[] = []
    skipSpace()
    if (text.charAt(at) === ']') {
      at += 1
      return items
    }
    for (;;) {
      items.push(readValue(depth + 1))
      skipSpace()
      if (closes(']', "',' or ]")) return items
    }
  }

  /** Takes a comma, or the bracket that closes. */
  function closes(bracket: string, expected: string): boolean {
    const character = text.charAt(at)
    if (character !== ',' && character !== bracket) unexpected(expected)
    at += 1
    return character === bracket
  }

  function readString(): string {
    const start = at
    for (at += 1; ; at += 1) {
      const code = text.charCodeAt(at)
      if (code === 34) break
      if (code === 92) at += 1
      else if (Number.isNaN(code)) unexpected('a closing double quote')
      else if (code < 32)
        fault(
          `the character ${JSON.stringify(text.charAt(at))} in a text`,
          'its escape',
          'Write \\n for a line break.',
        )
    }
    at += 1
    try {
      return JSON.parse(text.slice(start, at)) as string
    } catch {
      const wrong = /\\(?!["\\/bfnrt]|u[\da-fA-F]{4})/.exec(text.slice(start, at).replaceAll('\\\\', '__'))
      return fault(
        'an unknown escape',
        '\\n, \\", \\\\ or \\u and four digits',
        undefined,
        start + (wrong?.index ?? 0),
      )
    }
  }

  function readNumber(): number | bigint | JsonFloat {
    const number = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?(?![\w.+-])/y
    number.lastIndex = at
    const [digits, fraction, exponent] = number.exec(text) ?? []
    if (digits === undefined) {
      const [given] = /^-?[^\s,:\]}"]*/.exec(text.slice(at, at + 40)) ?? ['']
      if (/^-[A-Za-z]/.test(given)) unexpected('a number')
      return fault(`the number ${given}`, 'one as JSON writes it: 0.5, -3, 1e6')
    }
    const value = Number(digits)
    if (fraction === undefined && exponent === undefined) {
      if (digits.length > mostDigits)
        fault(`an integer of ${digits.length} digits`, `at most ${mostDigits}, as Python has it`)
      at += digits.length
      // Adding 0 makes 0 of -0: it is an int.
      return Number.isSafeInteger(value) ? value + 0 : BigInt(digits)
    }
    if (!Number.isFinite(value)) fault(`the number ${digits.slice(0, 40)}`, 'one that a float can hold')
    at += digits.length
    return Number.isInteger(value) ? new JsonFloat(value) : value
  }

  const value = readValue(0)
  skipSpace()
  if (at < text.length) unexpected('nothing behind the value')
  return value
}

const literals = [
  ['null', null],
  ['true', true],
  ['false', false],
] as const

/** Whether JavaScript would list a key before those that are not numbers. */
function isIndex(key: string): boolean {
  return /^(?:0|[1-9]\d{0,9})$/.test(key) && Number(key) < 0xffffffff
}
