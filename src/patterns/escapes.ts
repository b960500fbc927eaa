import { namedSet, negated, propertySet } from './character-classes.ts'
import type { Cursor } from './cursor.ts'

const controls: Readonly<Record<string, string>> = {
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  a: '\u0007',
  e: '\u001b',
}

/** After a backslash: a set of characters by its name, or nothing where the escape is another. */
export function readSetEscape(cursor: Cursor, isInClass: boolean): string | undefined {
  const name = cursor.match(/^[A-Za-z]/)?.[0]
  if (name === undefined) return undefined
  const set = namedSet(cursor.dialect, name, isInClass)
  if (set !== undefined) return `[${set}]`
  if (cursor.dialect === 'oniguruma' && (name === 'p' || name === 'P')) return readProperty(cursor, name)
  return readLetterEscape(cursor, name)
}

function readProperty(cursor: Cursor, name: string): string {
  const [, hat, property] = cursor.match(/^\{(\^?)([\w -]+)\}/) ?? []
  if (property === undefined) throw cursor.refuse(`'\\${name}'`)
  const positive = propertySet(property)
  if (positive === undefined) throw cursor.refuse(`'\\${name}{${property}}'`)
  return (name === 'P') === (hat === '^') ? `[${positive}]` : negated(positive)
}

/** One character that is escaped with a letter, as a set. */
function readLetterEscape(cursor: Cursor, name: string): string {
  return `[\\u{${letterCode(cursor, name).toString(16)}}]`
}

function letterCode(cursor: Cursor, name: string): number {
  const isPython = cursor.dialect === 'python'
  if (Object.hasOwn(controls, name) && !(isPython && name === 'e')) return controls[name].charCodeAt(0)
  const digits = hexDigits(cursor, name)
  const code = digits === undefined ? NaN : parseInt(digits, 16)
  if (!(code <= 0x10ffff)) throw cursor.refuse(`'\\${name}'`)
  return code
}

function hexDigits(cursor: Cursor, name: string): string | undefined {
  if (name === 'u') return cursor.match(/^[\dA-Fa-f]{4}/)?.[0]
  if (cursor.dialect === 'python') {
    if (name === 'U') return cursor.match(/^[\dA-Fa-f]{8}/)?.[0]
    return name === 'x' ? cursor.match(/^[\dA-Fa-f]{2}/)?.[0] : undefined
  }
  if (name !== 'x') return undefined
  // Two digits that are no ASCII would be a byte of several, not a character.
  return cursor.match(/^\{([\dA-Fa-f]{1,6})\}/)?.[1] ?? cursor.match(/^[0-7][\dA-Fa-f]/)?.[0]
}

/** After a backslash that no letter follows: the character that is meant. */
export function readSignEscape(cursor: Cursor): string {
  const octal = cursor.match(/^0[0-7]{0,2}/)?.[0]
  if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8))
  if (cursor.match(/^\d/) !== undefined) throw cursor.refuse('a number behind a backslash')
  return cursor.next()
}

/** The character of a set that has only one, as `readSetEscape` gives it. */
export function onlyCharacterOf(set: string): string | undefined {
  const code = /^\[\\u\{([\da-f]+)\}\]$/.exec(set)?.[1]
  return code === undefined ? undefined : String.fromCodePoint(parseInt(code, 16))
}
