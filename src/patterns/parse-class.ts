import { foldsApart, literalSource, negated, posixSet } from './character-classes.ts'
import type { Cursor } from './cursor.ts'
import { onlyCharacterOf, readSetEscape, readSignEscape } from './escapes.ts'

/**
 * Reads a class after its `[`, as a class in JavaScript's `v` syntax. Oniguruma's may hold others, and parts before and behind
 * `&&` that a character must all be in.
 */
export function readClass(cursor: Cursor, ignoreCase: boolean, depth = 0): string {
  if (depth > 50) throw cursor.refuse('more than 50 classes within each other')
  const isPython = cursor.dialect === 'python'
  const isNegative = cursor.take('^')
  const parts = ['']
  if (cursor.peek(']')) {
    if (!isPython) throw cursor.refuse("'[]'")
    parts[0] += literalSource(cursor.next())
  }
  while (!cursor.take(']')) {
    if (!isPython && cursor.take('&&')) parts.push('')
    else parts[parts.length - 1] += readItem(cursor, ignoreCase, depth)
  }
  const inside = parts.length === 1 ? parts[0] : parts.map((part) => `[${part}]`).join('&&')
  return `[${isNegative ? '^' : ''}${inside}]`
}

function readItem(cursor: Cursor, ignoreCase: boolean, depth: number): string {
  if (cursor.dialect === 'oniguruma') {
    const posix = cursor.match(/^\[:(\^?)(\w+):\]/)
    if (posix !== undefined) return readPosix(cursor, posix[1] === '^', posix[2])
    if (cursor.take('[')) return readClass(cursor, ignoreCase, depth + 1)
  }
  const first = readOne(cursor)
  if ('set' in first) return first.set
  const isRange = cursor.peek('-') && !cursor.peek('-]')
  if (!isRange || (first.character === '-' && cursor.dialect === 'oniguruma')) {
    checkFold(cursor, first.character, ignoreCase)
    return literalSource(first.character)
  }
  cursor.take('-')
  if (cursor.dialect === 'oniguruma' && cursor.peek('[')) throw cursor.refuse('a range to a set')
  const last = readOne(cursor)
  if ('set' in last) throw cursor.refuse('a range to a set')
  const [from, to] = [first.character, last.character].map((character) => character.codePointAt(0) ?? 0)
  if (from > to) throw cursor.refuse('a range that ends before it begins')
  if (ignoreCase && to > 0x7f && cursor.dialect === 'oniguruma')
    throw cursor.refuse('a range beyond ASCII without regard to case')
  return `${literalSource(first.character)}-${literalSource(last.character)}`
}

function readPosix(cursor: Cursor, isNegative: boolean, name: string): string {
  const set = posixSet(name)
  if (set === undefined) throw cursor.refuse(`'[:${name}:]'`)
  return isNegative ? negated(set) : set
}

function readOne(cursor: Cursor): { character: string } | { set: string } {
  const character = cursor.next()
  if (character !== '\\') return { character }
  // Within a class `\b` is a backspace.
  if (cursor.take('b')) return { character: '\b' }
  const set = readSetEscape(cursor, true)
  if (set === undefined) return { character: readSignEscape(cursor) }
  const only = onlyCharacterOf(set)
  return only === undefined ? { set } : { character: only }
}

function checkFold(cursor: Cursor, character: string, ignoreCase: boolean): void {
  if (ignoreCase && cursor.dialect === 'oniguruma' && foldsApart(character))
    throw cursor.refuse(`'${character}' without regard to case`)
}
