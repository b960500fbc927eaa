import { Fault } from '../fault.ts'
import { asInteger, asNumber, formatFloat, formatInteger } from './numbers.ts'
import { enter, leave, spendCharacters, spendSteps } from '../meter.ts'
import { plain, runsOf, TextBuilder, type Source, type Str } from './text.ts'
import {
  bare,
  isStr,
  keyValue,
  PyDict,
  PyFloat,
  PyList,
  PyTuple,
  Scalar,
  typeName,
  type Key,
  type Value,
} from './values.ts'

/** The arguments of json.dumps that transformers' `tojson` passes on. */
export interface JsonOptions {
  ensureAscii: boolean
  indent: Str | undefined
  itemSeparator: Str
  keySeparator: Str
  sortKeys: boolean
}

/** json.dumps; brackets and separators belong to the message whose value they write. */
export function toJson(value: Value, options: JsonOptions): Str {
  const builder = new TextBuilder()
  write(builder, value, options, undefined, 0)
  return builder.finish()
}

function write(
  builder: TextBuilder,
  given: Value,
  options: JsonOptions,
  owner: Source | undefined,
  level: number,
): void {
  const source = given instanceof Scalar ? given.owner : owner
  const value = bare(given)
  if (isStr(value)) writeString(builder, value, options, owner)
  else if (value === null) builder.push('null', source)
  else if (typeof value === 'boolean') builder.push(value ? 'true' : 'false', source)
  else if (typeof value === 'number' || typeof value === 'bigint') builder.push(formatInteger(value), source)
  else if (value instanceof PyFloat) builder.push(jsonFloat(value.value), source)
  else if (value instanceof PyList || value instanceof PyTuple) {
    const own = (value instanceof PyList ? value.owner : undefined) ?? owner
    const items = value.items.map((item) => () => write(builder, item, options, own, level + 1))
    writeContainer(builder, '[', items, ']', options, own, level)
  } else if (value instanceof PyDict) {
    const own = value.owner ?? owner
    const items = sortedKeys(value, options.sortKeys).map((key) => () => {
      writeKey(builder, keyValue(value, key), options, own)
      pushSeparator(builder, options.keySeparator, own)
      write(builder, value.entries.get(key) ?? null, options, own, level + 1)
    })
    writeContainer(builder, '{', items, '}', options, own, level)
  } else throw new Fault('TypeError', `Object of type ${typeName(value)} is not JSON serializable`)
}

function pushSeparator(builder: TextBuilder, separator: Str, owner: Source | undefined): void {
  if (typeof separator === 'string') builder.push(separator, owner)
  else builder.append(separator)
}

function writeContainer(
  builder: TextBuilder,
  open: string,
  items: readonly (() => void)[],
  close: string,
  { indent, itemSeparator }: JsonOptions,
  owner: Source | undefined,
  level: number,
): void {
  spendSteps(items.length)
  builder.push(open, owner)
  enter()
  const line = (depth: number): void => {
    if (indent === undefined) return
    spendCharacters(plain(indent).length * depth + 1)
    builder.push(`\n${plain(indent).repeat(depth)}`, owner)
  }
  items.forEach((item, index) => {
    if (index > 0) pushSeparator(builder, itemSeparator, owner)
    line(level + 1)
    item()
  })
  if (items.length > 0) line(level)
  leave()
  builder.push(close, owner)
}

function sortedKeys(dict: PyDict, sort: boolean): Key[] {
  const keys = [...dict.entries.keys()]
  if (!sort) return keys
  if (keys.every((key) => typeof key === 'string')) return keys.toSorted(compareCodePoints)
  return keys.toSorted((left, right) => compareKeys(keyValue(dict, left), keyValue(dict, right)))
}

/** Python's order of the keys that JSON can have: numbers among each other, texts among each other. */
function compareKeys(left: Value, right: Value): number {
  const [first, second] = [asNumber(left), asNumber(right)]
  if (first !== undefined && second !== undefined) return first - second
  const [a, b] = [bare(left), bare(right)]
  if (isStr(a) && isStr(b)) return compareCodePoints(plain(a), plain(b))
  throw new Fault('TypeError', `'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`)
}

/** Order of Python strings: by code point, not by UTF-16 unit. */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a === b) continue
    const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff
    if (isSurrogate(a) !== isSurrogate(b)) return isSurrogate(a) ? 1 : -1
    return a - b
  }
  return left.length - right.length
}

function writeKey(builder: TextBuilder, key: Value, options: JsonOptions, owner: Source | undefined): void {
  const value = bare(key)
  if (isStr(value)) writeString(builder, value, options, owner)
  else if (value === null) builder.push('"null"', owner)
  else if (typeof value === 'boolean') builder.push(value ? '"true"' : '"false"', owner)
  else if (value instanceof PyFloat) builder.push(`"${jsonFloat(value.value)}"`, owner)
  else {
    const integer = asInteger(value)
    if (integer === undefined) {
      throw new Fault('TypeError', `keys must be str, int, float, bool or None, not ${typeName(value)}`)
    }
    builder.push(`"${formatInteger(integer)}"`, owner)
  }
}

function jsonFloat(value: number): string {
  if (Number.isFinite(value)) return formatFloat(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
}

function writeString(
  builder: TextBuilder,
  text: Str,
  { ensureAscii }: JsonOptions,
  owner: Source | undefined,
): void {
  const value = plain(text)
  spendCharacters(value.length * 3)
  const runs = runsOf(text)
  builder.push('"', runs[0]?.source ?? owner)
  let start = 0
  for (const { end, source } of runs) {
    builder.push(escapeJson(value.slice(start, end), ensureAscii), source)
    start = end
  }
  builder.push('"', runs.at(-1)?.source ?? owner)
}

const short: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}
// oxlint-disable-next-line no-control-regex -- JSON escapes exactly these
const jsonUnsafe = /["\\\u0000-\u001f]/g
const unicodeEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

function escapeJson(part: string, ensureAscii: boolean): string {
  const escaped = part.replace(jsonUnsafe, (character) => short[character] ?? unicodeEscape(character))
  // oxlint-disable-next-line no-control-regex -- ASCII is the range meant
  return ensureAscii ? escaped.replace(/[^\u0000-\u007e]/g, unicodeEscape) : escaped
}
