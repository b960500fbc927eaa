import { Fault } from '../fault.ts'
import { enter, leave, spendCharacters, spendCharacterWork, spendSteps } from '../meter.ts'
import { compareValues } from './compare.ts'
import { asInteger, formatFloat, formatInteger } from './numbers.ts'
import { appendQuoted, plain, TextBuilder, type Source, type Str } from './text.ts'
import {
  bare,
  isListOrTuple,
  isStr,
  keyValue,
  PyDict,
  PyFloat,
  SafeText,
  Scalar,
  typeName,
  type Bare,
  type Value,
} from './values.ts'

/** The arguments of json.dumps that transformers' `tojson` passes on. */
export interface JsonOptions {
  readonly ensureAscii: boolean
  readonly indent: Str | undefined
  readonly itemSeparator: Str
  readonly keySeparator: Str
  readonly sortKeys: boolean
}

/** json.dumps; brackets and separators belong to the owner of the value that they write. */
export function toJson(value: Value, options: JsonOptions): Str {
  const { ensureAscii, indent, itemSeparator, keySeparator, sortKeys } = options
  const builder = new TextBuilder()

  function write(given: Value, owner: Source | undefined, level: number): void {
    const shown = given instanceof SafeText ? given.text : bare(given)
    if (isStr(shown)) return writeString(shown, owner)
    const scalar = scalarJson(shown)
    if (scalar !== undefined) return builder.push(scalar, given instanceof Scalar ? given.owner : owner)
    if (isListOrTuple(shown)) {
      const { items } = shown
      const own = shown.owner ?? owner
      const writeItem = (index: number): void => write(items[index] ?? null, own, level + 1)
      return writeContainer('[', items.length, writeItem, ']', own, level)
    }
    if (!(shown instanceof PyDict))
      throw new Fault('TypeError', `Object of type ${typeName(shown)} is not JSON serializable`)
    const own = shown.owner ?? owner
    const keys = [...shown.entries.keys()]
    // Keys have owners of their own, and stand beside their values.
    spendSteps(keys.length * (3 + (sortKeys ? Math.ceil(Math.log2(keys.length + 2)) : 0)))
    if (sortKeys) keys.sort((left, right) => compareValues(keyValue(shown, left), keyValue(shown, right)))
    const writeEntry = (index: number): void => {
      const key = keys[index] ?? null
      writeKey(keyValue(shown, key), own)
      writeSeparator(keySeparator, own)
      write(shown.entries.get(key) ?? null, own, level + 1)
    }
    writeContainer('{', keys.length, writeEntry, '}', own, level)
  }

  function writeSeparator(separator: Str, owner: Source | undefined): void {
    if (typeof separator === 'string') builder.push(separator, owner)
    else builder.append(separator)
  }

  function writeContainer(
    open: string,
    count: number,
    writeItem: (index: number) => void,
    close: string,
    owner: Source | undefined,
    level: number,
  ): void {
    spendSteps(count + 4)
    builder.push(open, owner)
    enter()
    const line = (depth: number): void => {
      if (indent === undefined) return
      spendCharacters(plain(indent).length * depth + 1)
      builder.push(`\n${plain(indent).repeat(depth)}`, owner)
    }
    for (let index = 0; index < count; index += 1) {
      if (index > 0) writeSeparator(itemSeparator, owner)
      line(level + 1)
      writeItem(index)
    }
    if (count > 0) line(level)
    leave()
    builder.push(close, owner)
  }

  function writeKey(key: Value, owner: Source | undefined): void {
    if (isStr(key)) return writeString(key, owner)
    const text = scalarJson(bare(key))
    if (text === undefined)
      throw new Fault('TypeError', `keys must be str, int, float, bool or None, not ${typeName(key)}`)
    builder.push(`"${text}"`, owner)
  }

  function writeString(text: Str, owner: Source | undefined): void {
    spendCharacters(plain(text).length * 3)
    if (ensureAscii) spendCharacterWork(plain(text).length, 24)
    appendQuoted(builder, text, '"', owner, (part) => escapeJson(part, ensureAscii))
  }

  write(value, undefined, 0)
  return builder.finish()
}

/** JSON of a number, boolean or None; `undefined` for any other value. */
function scalarJson(value: Bare): string | undefined {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (value instanceof PyFloat) {
    if (Number.isFinite(value.value)) return formatFloat(value.value)
    return Number.isNaN(value.value) ? 'NaN' : value.value > 0 ? 'Infinity' : '-Infinity'
  }
  const integer = asInteger(value)
  return integer === undefined ? undefined : formatInteger(integer)
}

// oxlint-disable-next-line no-control-regex -- JSON escapes exactly these
const jsonUnsafe = /["\\\u0000-\u001f]/g
// oxlint-disable-next-line no-control-regex -- the same, to be asked for
const hasJsonUnsafe = /["\\\u0000-\u001f]/
const surrogateHalf = /\p{Cs}/u
const unicodeEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

function escapeJson(part: string, ensureAscii: boolean): string {
  let escaped = part
  // JSON.stringify writes halves of surrogate pairs as escapes, which Python leaves.
  if (hasJsonUnsafe.test(part))
    escaped = surrogateHalf.test(part)
      ? part.replace(jsonUnsafe, (character) => JSON.stringify(character).slice(1, -1))
      : JSON.stringify(part).slice(1, -1)
  // oxlint-disable-next-line no-control-regex -- ASCII is the range meant
  return ensureAscii ? escaped.replace(/[^\u0000-\u007e]/g, unicodeEscape) : escaped
}
