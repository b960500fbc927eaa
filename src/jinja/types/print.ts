import { formatFloat, formatInteger } from './numbers.ts'
import { formatComplex } from './complex.ts'
import { isPrintable } from './character-classes.ts'
import { enter, leave, spendCharacters, spendSteps } from '../meter.ts'
import { plain, runsOf, Text, TextBuilder, withoutMarkup, type Source, type Str } from './text.ts'
import {
  isStr,
  keyValue,
  Namespace,
  PLACE,
  PyBytes,
  PyComplex,
  PyDict,
  PyFloat,
  PyFunction,
  PyIterator,
  PyList,
  PyObjectValue,
  PyRange,
  PySet,
  PyTuple,
  PyView,
  Scalar,
  Undefined,
  type Value,
} from './values.ts'

/** Python's str(): what `{{ value }}` writes. */
export function toText(value: Value): Str {
  if (typeof value === 'string') return value
  if (value instanceof Text) return withoutMarkup(value)
  if (value instanceof Undefined) return ''
  const builder = new TextBuilder()
  writeRepr(builder, value, undefined)
  return builder.finish()
}

/** Python's repr(). */
export function toRepr(value: Value): Str {
  const builder = new TextBuilder()
  writeRepr(builder, value, undefined)
  return builder.finish()
}

/** A number, boolean or None as Python prints it. */
export function scalarText(value: Scalar['value']): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return value instanceof PyFloat ? formatFloat(value.value) : formatInteger(value)
}

function writeRepr(builder: TextBuilder, value: Value, owner: Source | undefined): void {
  if (isStr(value)) {
    builder.append(reprText(value))
    return
  }
  if (value instanceof Scalar) {
    builder.push(scalarText(value.value), value.owner)
    return
  }
  if (
    value === null ||
    typeof value === 'boolean' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    value instanceof PyFloat
  ) {
    builder.push(scalarText(value), owner)
    return
  }
  enter()
  if (value instanceof PyList) writeItems(builder, '[', value.items, ']', value.owner)
  else if (value instanceof PyTuple)
    writeItems(builder, '(', value.items, value.items.length === 1 ? ',)' : ')', owner)
  else if (value instanceof PyDict) writeDict(builder, value)
  else if (value instanceof PyView) {
    builder.push(`${value.type}([`, owner)
    writeList(builder, value.items, owner)
    builder.push('])', owner)
  } else if (value instanceof PySet) {
    if (value.items.size === 0) builder.push('set()', owner)
    else writeItems(builder, '{', [...value.items.values()], '}', owner)
  } else if (value instanceof PyBytes) builder.append(reprBytes(value))
  else builder.push(describe(value), owner)
  leave()
}

function writeItems(
  builder: TextBuilder,
  open: string,
  items: readonly Value[],
  close: string,
  owner: Source | undefined,
): void {
  builder.push(open, owner)
  writeList(builder, items, owner)
  builder.push(close, owner)
}

function writeList(builder: TextBuilder, items: readonly Value[], owner: Source | undefined): void {
  // Values share their parts: a small list can print without end.
  spendSteps(items.length)
  items.forEach((item, index) => {
    if (index > 0) builder.push(', ', owner)
    writeRepr(builder, item, owner)
  })
}

function writeDict(builder: TextBuilder, dict: PyDict): void {
  spendSteps(dict.entries.size)
  builder.push('{', dict.owner)
  let isFirst = true
  for (const [key, value] of dict.entries) {
    if (!isFirst) builder.push(', ', dict.owner)
    isFirst = false
    writeRepr(builder, keyValue(dict, key), dict.owner)
    builder.push(': ', dict.owner)
    writeRepr(builder, value, dict.owner)
  }
  builder.push('}', dict.owner)
}

function describe(
  value: PyRange | PyIterator | PyComplex | Undefined | Namespace | PyFunction | PyObjectValue,
): string {
  if (value instanceof PyRange) {
    return value.step === 1
      ? `range(${value.start}, ${value.stop})`
      : `range(${value.start}, ${value.stop}, ${value.step})`
  }
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof PyComplex) return formatComplex(value)
  if (value instanceof Namespace) {
    const inside = [...value.attributes].map(
      ([name, item]) => `${plain(toRepr(value.keys.get(name) ?? name))}: ${plain(toRepr(item))}`,
    )
    return `<Namespace {${inside.join(', ')}}>`
  }
  if (value instanceof PyFunction) return value.repr
  if (value instanceof PyIterator)
    return `<${value.type} object ${value.maker === undefined ? '' : `${value.maker} `}at ${PLACE}>`
  return value.object.repr?.() ?? `<${value.object.type} object at ${PLACE}>`
}

const needsEscape = /[\\'"\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u

function escapeForRepr(character: string, quote: string): string {
  if (character === quote || character === '\\') return `\\${character}`
  if (character === '\n') return '\\n'
  if (character === '\r') return '\\r'
  if (character === '\t') return '\\t'
  if (isPrintable(character)) return character
  const code = character.codePointAt(0) ?? 0
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`
  return code <= 0xffff
    ? `\\u${code.toString(16).padStart(4, '0')}`
    : `\\U${code.toString(16).padStart(8, '0')}`
}

/** Python's repr of a str: quotes, escapes; a quote belongs to whoever owns the character beside it. */
function reprText(text: Str): Str {
  const value = plain(text)
  spendCharacters(value.length)
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  const runs = runsOf(text)
  const builder = new TextBuilder()
  if (typeof text !== 'string' && text.markup) builder.push('Markup(', runs[0]?.source)
  builder.push(quote, runs[0]?.source)
  let start = 0
  for (const { end, source } of runs) {
    builder.push(escapePart(value.slice(start, end), quote), source)
    start = end
  }
  builder.push(quote, runs.at(-1)?.source)
  if (typeof text !== 'string' && text.markup) builder.push(')', runs.at(-1)?.source)
  return builder.finish()
}

/** Python's repr of bytes; what is no printable ASCII is shown as `\\x…`. */
function reprBytes({ text }: PyBytes): Str {
  const value = plain(text)
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  const builder = new TextBuilder()
  const runs = runsOf(text)
  builder.push(`b${quote}`, runs[0]?.source)
  let start = 0
  for (const { end, source } of runs) {
    for (const byte of value.slice(start, end)) {
      const isAscii = byte <= '\u007f'
      builder.push(
        isAscii ? escapeForRepr(byte, quote) : `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
        source,
      )
    }
    start = end
  }
  builder.push(quote, runs.at(-1)?.source)
  return builder.finish()
}

function escapePart(part: string, quote: string): string {
  if (!needsEscape.test(part)) return part
  let escaped = ''
  for (const character of part) escaped += escapeForRepr(character, quote)
  return escaped
}
