import { formFault } from '../left-out.ts'
import { enter, leave, spendCharacters, spendCharacterWork, spendSteps } from '../meter.ts'
import { isPrintable } from './character-classes.ts'
import { formatFloat, formatInteger } from './numbers.ts'
import { appendQuoted, plain, TextBuilder, type Source, type Str } from './text.ts'
import {
  isStr,
  keyValue,
  PyDict,
  PyFloat,
  PySequence,
  SafeText,
  Scalar,
  Undefined,
  type Value,
} from './values.ts'

/** Python's str(): what `{{ value }}` writes. */
export function toText(value: Value): Str {
  if (isStr(value)) return value
  if (value instanceof Undefined) return ''
  return value instanceof SafeText ? value.text : toRepr(value)
}

/** Python's repr(). */
export function toRepr(value: Value): Str {
  const builder = new TextBuilder()
  writeRepr(builder, value, undefined)
  return builder.finish()
}

/** A number, boolean or None as Python prints it. */
function scalarText(value: Scalar['value']): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return value instanceof PyFloat ? formatFloat(value.value) : formatInteger(value)
}

/** Brackets and commas belong to `owner`, whose container it is. */
function writeRepr(builder: TextBuilder, value: Value, owner: Source | undefined): void {
  if (isStr(value)) return writeString(builder, value)
  if (value instanceof Scalar) return builder.push(scalarText(value.value), value.owner)
  if (value === null || typeof value !== 'object' || value instanceof PyFloat)
    return builder.push(scalarText(value), owner)
  enter()
  if (value instanceof PySequence && value.type !== 'range')
    writeItems(builder, value, value.type === 'list' ? value.owner : owner)
  else if (value instanceof PyDict) writeDict(builder, value)
  else if (value instanceof SafeText) {
    builder.push('Markup(', owner)
    writeString(builder, value.text)
    builder.push(')', owner)
  } else if (value instanceof Undefined) builder.push('Undefined', owner)
  // Python says where in memory the others lie.
  else throw formFault('printing a value that is no data')
  leave()
}

function writeItems(builder: TextBuilder, { type, items }: PySequence, owner: Source | undefined): void {
  // Values share their parts: a small list can print without end.
  spendSteps(items.length)
  const [open, close] = type === 'list' ? ['[', ']'] : type === 'tuple' ? ['(', ')'] : [`${type}([`, '])']
  builder.push(open, owner)
  items.forEach((item, index) => {
    if (index > 0) builder.push(', ', owner)
    writeRepr(builder, item, owner)
  })
  if (type === 'tuple' && items.length === 1) builder.push(',', owner)
  builder.push(close, owner)
}

function writeDict(builder: TextBuilder, dict: PyDict): void {
  const { owner } = dict
  // Key and value, each with an owner of its own, and what stands around them.
  spendSteps(4 * dict.entries.size + 4)
  let separator = '{'
  for (const [key, value] of dict.entries) {
    builder.push(separator, owner)
    separator = ', '
    writeRepr(builder, keyValue(dict, key), owner)
    builder.push(': ', owner)
    writeRepr(builder, value, owner)
  }
  builder.push(dict.entries.size === 0 ? '{}' : '}', owner)
}

/** Python's repr of a str. */
function writeString(builder: TextBuilder, text: Str): void {
  const value = plain(text)
  spendCharacters(value.length)
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  appendQuoted(builder, text, quote, undefined, (part) => escapePart(part, quote))
}

const needsEscape = /[\\'"\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u

function escapePart(part: string, quote: string): string {
  spendCharacterWork(part.length, 8)
  if (!needsEscape.test(part)) return part
  spendCharacterWork(part.length, 48)
  return Array.from(part, (character) => escapeCharacter(character, quote)).join('')
}

const namedEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escapeCharacter(character: string, quote: string): string {
  if (character === quote || character === '\\') return `\\${character}`
  const named = namedEscapes[character]
  if (named !== undefined) return named
  if (isPrintable(character)) return character
  const code = character.codePointAt(0) ?? 0
  const digits = code.toString(16)
  if (code <= 0xff) return `\\x${digits.padStart(2, '0')}`
  return code <= 0xffff ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`
}
