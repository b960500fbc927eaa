import { compareValues } from '../types/compare.ts'
import { Fault } from '../fault.ts'
import { enter, leave } from '../meter.ts'
import { toRepr } from '../types/print.ts'
import { splitLines, wordsWithSpace } from '../types/split.ts'
import { codePointLength, concatTexts, plain, sliceText, TextBuilder, type Str } from '../types/text.ts'
import {
  bare,
  isStr,
  keyValue,
  PyBytes,
  PyDict,
  PyList,
  PySet,
  PyTuple,
  typeName,
  type Value,
} from '../types/values.ts'
import { isMarkup } from '../types/markup.ts'

const width = 80

const lengthOfText = (text: Str): number => codePointLength(plain(text))

/** Python's pprint.pformat: as repr, with sorted dictionaries, and broken into lines past 80 columns. */
export function prettyPrint(value: Value): Str {
  const builder = new TextBuilder()
  format(builder, value, 0, 0, 0)
  return builder.finish()
}

function isPlainTuple(value: unknown): value is PyTuple {
  return value instanceof PyTuple && value.fields === undefined
}

/** Python's repr with the entries of dictionaries in order. */
function repr(given: Value): Str {
  const value = bare(given)
  const listed = (items: readonly Value[], open: string, close: string): Str => {
    enter()
    const pieces = items.flatMap((item, index): Str[] => (index > 0 ? [', ', repr(item)] : [repr(item)]))
    leave()
    return concatTexts([open, ...pieces, close])
  }
  if (value instanceof PyList) return listed(value.items, '[', ']')
  if (isPlainTuple(value)) return listed(value.items, '(', value.items.length === 1 ? ',)' : ')')
  if (!(value instanceof PyDict)) return toRepr(given)
  enter()
  const pieces = sortedEntries(value).flatMap(([key, item], index): Str[] => [
    index > 0 ? ', ' : '',
    repr(key),
    ': ',
    repr(item),
  ])
  leave()
  return concatTexts(['{', ...pieces, '}'])
}

function sortedEntries(dict: PyDict): [Value, Value][] {
  const entries = [...dict.entries].map(([key, value]): [Value, Value] => [keyValue(dict, key), value])
  return entries.toSorted(([left], [right]) => compareSafely(left, right))
}

/** pprint's order: Python's own, and by the name of the type where that has none. */
function compareSafely(left: Value, right: Value): number {
  try {
    return compareValues(left, right)
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'TypeError') throw error
    const [first, second] = [typeName(left), typeName(right)]
    return first < second ? -1 : first > second ? 1 : 0
  }
}

function format(builder: TextBuilder, given: Value, indent: number, allowance: number, level: number): void {
  const value = bare(given)
  const whole = repr(given)
  if (lengthOfText(whole) <= width - indent - allowance) {
    builder.append(whole)
    return
  }
  enter()
  if (value instanceof PyDict) {
    builder.append('{')
    formatEntries(builder, sortedEntries(value), indent, allowance + 1, level + 1)
    builder.append('}')
  } else if (value instanceof PyList) formatList(builder, value.items, ['[', ']'], indent, allowance, level)
  else if (isPlainTuple(value))
    formatList(builder, value.items, ['(', value.items.length === 1 ? ',)' : ')'], indent, allowance, level)
  else if (value instanceof PySet) {
    const items = [...value.items.values()].toSorted(compareSafely)
    formatList(builder, items, ['{', '}'], indent, allowance, level)
  } else if (isStr(value) && !isMarkup(value)) {
    formatParts(builder, stringParts(value, indent, allowance, level), whole, indent, level)
  } else if (value instanceof PyBytes) {
    const parts = byteParts(value, indent + (level === 0 ? 1 : 0), allowance + (level === 0 ? 1 : 0))
    formatParts(builder, parts, whole, indent, level, true)
  } else builder.append(whole)
  leave()
}

function formatList(
  builder: TextBuilder,
  items: readonly Value[],
  [open, close]: readonly [string, string],
  indent: number,
  allowance: number,
  level: number,
): void {
  builder.append(open)
  items.forEach((item, index) => {
    if (index > 0) builder.append(`,\n${' '.repeat(indent + 1)}`)
    const isLast = index === items.length - 1
    format(builder, item, indent + 1, isLast ? allowance + close.length : 1, level + 1)
  })
  builder.append(close)
}

function formatEntries(
  builder: TextBuilder,
  entries: readonly (readonly [Value, Value])[],
  indent: number,
  allowance: number,
  level: number,
): void {
  entries.forEach(([key, value], index) => {
    if (index > 0) builder.append(`,\n${' '.repeat(indent + 1)}`)
    const name = repr(key)
    builder.append(name)
    builder.append(': ')
    const isLast = index === entries.length - 1
    format(builder, value, indent + 1 + lengthOfText(name) + 2, isLast ? allowance : 1, level)
  })
}

/** The pieces of a long text one under the other; at the top they stand in parentheses. */
function formatParts(
  builder: TextBuilder,
  parts: readonly Str[],
  whole: Str,
  indent: number,
  level: number,
  alwaysBrackets = false,
): void {
  if (parts.length === 1 && !alwaysBrackets) {
    builder.append(whole)
    return
  }
  const isTop = level === 0
  if (isTop) builder.append('(')
  parts.forEach((part, index) => {
    if (index > 0) builder.append(`\n${' '.repeat(indent + (isTop ? 1 : 0))}`)
    builder.append(part)
  })
  if (isTop) builder.append(')')
}

function stringParts(text: Str, indent: number, allowance: number, level: number): Str[] {
  const brackets = level === 0 ? 1 : 0
  const most = width - indent - brackets
  const atEnd = allowance + brackets
  const lines = splitLines(text, true)
  return lines.flatMap((line, index): Str[] => {
    const isLastLine = index === lines.length - 1
    const whole = toRepr(line)
    if (lengthOfText(whole) <= most - (isLastLine ? atEnd : 0)) return [whole]
    const parts = wordsWithSpace(line)
    const chunks: Str[] = []
    let current: Str = ''
    parts.forEach((part, position) => {
      const candidate = concatTexts([current, part])
      const isEnd = isLastLine && position === parts.length - 1
      if (lengthOfText(toRepr(candidate)) > most - (isEnd ? atEnd : 0)) {
        if (plain(current) !== '') chunks.push(toRepr(current))
        current = part
      } else current = candidate
    })
    if (plain(current) !== '') chunks.push(toRepr(current))
    return chunks
  })
}

function byteParts({ text }: PyBytes, indent: number, allowance: number): Str[] {
  const { length } = plain(text)
  const show = (start: number, end: number): Str => toRepr(new PyBytes(sliceText(text, start, end)))
  if (length <= 4) return [show(0, length)]
  const chunks: Str[] = []
  let start = 0
  let end = 0
  for (let offset = 0; offset < length; offset += 4) {
    const next = Math.min(length, offset + 4)
    const most = width - indent - (offset === Math.floor(length / 4) * 4 ? allowance : 0)
    if (lengthOfText(show(start, next)) > most && end > start) {
      chunks.push(show(start, end))
      start = offset
    }
    end = next
  }
  if (end > start) chunks.push(show(start, end))
  return chunks
}
