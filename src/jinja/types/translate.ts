import { Fault } from '../fault.ts'
import { makeDict } from './keys.ts'
import { spendCharacterWork } from '../meter.ts'
import { strArgument } from './method.ts'
import { asInteger } from './numbers.ts'
import { characters, concatTexts, plain, type Str } from './text.ts'
import {
  bare,
  isStr,
  keyValue,
  PyDict,
  PyList,
  PyRange,
  PyTuple,
  typeName,
  type Bare,
  type Value,
} from './values.ts'

/** What a translation table holds for a code: Python asks `table[code]` and takes LookupError for "unchanged". */
function lookUp(table: Bare, code: number): Bare | undefined {
  if (table instanceof PyDict) {
    const found = table.entries.get(code)
    return found === undefined ? undefined : bare(found)
  }
  if (table instanceof PyList || table instanceof PyTuple) {
    const found = table.items[code]
    return found === undefined ? undefined : bare(found)
  }
  if (table instanceof PyRange) return code < table.length ? table.start + code * table.step : undefined
  if (isStr(table)) return Array.from(plain(table))[code]
  throw new Fault('TypeError', `'${typeName(table)}' object is not subscriptable`)
}

/** Python's str.translate. */
export function translate(self: Str, given: Value | undefined): Str {
  const table = bare(given ?? null)
  return concatTexts(
    characters(self).map((character) => {
      const replacement = lookUp(table, plain(character).codePointAt(0) ?? 0)
      if (replacement === undefined) return character
      if (replacement === null) return ''
      if (isStr(replacement)) return replacement
      const code = asInteger(replacement)
      if (code === undefined)
        throw new Fault('TypeError', 'character mapping must return integer, None or str')
      if (code < 0 || code > 0x10ffff)
        throw new Fault('ValueError', 'character mapping must be in range(0x110000)')
      return String.fromCodePoint(Number(code))
    }),
  )
}

const codeOf = (character: string): number => character.codePointAt(0) ?? 0

/** Python's str.maketrans. */
export function makeTranslation([x, y, z]: readonly (Value | undefined)[]): Value {
  if (y === undefined) return translationOfDict(bare(x ?? null))
  const from = [...plain(strArgument(x))]
  const to = [...plain(strArgument(y))]
  spendCharacterWork(from.length, 60)
  if (from.length !== to.length)
    throw new Fault('ValueError', 'the first two maketrans arguments must have equal length')
  const pairs = from.map((character, index): [Value, Value] => [codeOf(character), codeOf(to[index] ?? '')])
  const removed =
    z === undefined ? [] : [...plain(strArgument(z))].map((item): [Value, Value] => [codeOf(item), null])
  return makeDict([...pairs, ...removed])
}

function translationOfDict(dict: Bare): Value {
  if (!(dict instanceof PyDict))
    throw new Fault('TypeError', 'if you give only one argument to maketrans it must be a dict')
  return makeDict(
    [...dict.entries].map(([key, value]): [Value, Value] => {
      const name = bare(keyValue(dict, key))
      if (isStr(name)) {
        if ([...plain(name)].length !== 1)
          throw new Fault('ValueError', 'string keys in translate table must be of length 1')
        return [codeOf(plain(name)), value]
      }
      if (asInteger(name) === undefined)
        throw new Fault('TypeError', 'keys in translate table must be strings or integers')
      return [name, value]
    }),
  )
}
