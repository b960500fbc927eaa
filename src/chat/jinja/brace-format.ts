import { Fault } from './fault.ts'
import { getAttribute, getItem } from './access.ts'
import { formatNumber } from './format-number.ts'
import { asInteger, asNumber, formatFloat } from './numbers.ts'
import { spendCharacters } from './meter.ts'
import { scalarText, toRepr, toText } from './print.ts'
import { codePointLength, concatTexts, plain, sliceText, utf16Offset, type Str } from './text.ts'
import {
  bare,
  isStr,
  PyFloat,
  typeName,
  Undefined,
  undefinedFault,
  type Named,
  type Value,
} from './values.ts'

/** Python's `format.format(…)` as jinja2's sandbox allows it. */
export function formatBraces(format: Str, positional: readonly (Value | undefined)[], named: Named): Str {
  const counter = { next: 0 }
  return expand(format, positional, named, counter, 2)
}

function expand(
  format: Str,
  positional: readonly (Value | undefined)[],
  named: Named,
  counter: { next: number },
  depth: number,
): Str {
  if (depth === 0) throw new Fault('ValueError', 'Max string recursion exceeded')
  const source = plain(format)
  const pieces: Str[] = []
  let offset = 0
  while (offset < source.length) {
    const character = source.charAt(offset)
    if (character !== '{' && character !== '}') {
      const following = source.slice(offset).search(/[{}]/)
      const end = following === -1 ? source.length : offset + following
      pieces.push(sliceText(format, offset, end))
      offset = end
    } else if (source.charAt(offset + 1) === character) {
      pieces.push(sliceText(format, offset, offset + 1))
      offset += 2
    } else if (character === '}') throw new Fault('ValueError', "Single '}' encountered in format string")
    else {
      const end = closing(source, offset)
      const field = source.slice(offset + 1, end)
      const [, name = '', conversion, spec = ''] = /^([^!:]*)(?:!(.))?(?::([\s\S]*))?$/.exec(field) ?? []
      const value = resolveField(name, positional, named, counter)
      const expandedSpec = spec.includes('{')
        ? plain(expand(spec, positional, named, counter, depth - 1))
        : spec
      const converted = conversion === 'r' ? toRepr(value) : conversion === 's' ? toText(value) : value
      pieces.push(formatValue(converted, expandedSpec))
      offset = end + 1
    }
  }
  return concatTexts(pieces)
}

function closing(source: string, start: number): number {
  let depth = 0
  for (let offset = start; offset < source.length; offset += 1) {
    if (source.charAt(offset) === '{') depth += 1
    else if (source.charAt(offset) === '}') {
      depth -= 1
      if (depth === 0) return offset
    }
  }
  throw new Fault('ValueError', "expected '}' before end of string")
}

function resolveField(
  name: string,
  positional: readonly (Value | undefined)[],
  named: Named,
  counter: { next: number },
): Value {
  const [, first = '', path = ''] = /^([^.[]*)([\s\S]*)$/.exec(name) ?? []
  let value: Value | undefined
  if (first === '') {
    value = positional[counter.next]
    counter.next += 1
  } else value = /^\d+$/.test(first) ? positional[Number(first)] : named.get(first)
  if (value === undefined) {
    const message = /^\d*$/.test(first)
      ? 'Replacement index out of range for positional args tuple'
      : `'${first}'`
    throw new Fault('LookupError', message)
  }
  for (const [, attribute, item] of path.matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
    if (attribute !== undefined) value = getAttribute(value, attribute)
    else if (item !== undefined) value = getItem(value, /^\d+$/.test(item) ? Number(item) : item)
  }
  return value
}

const specPattern = /^(?:([\s\S])?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u

/** Python's format(value, spec). */
function formatValue(value: Value, spec: string): Str {
  const stripped = bare(value)
  if (stripped instanceof Undefined && spec !== '') throw undefinedFault(stripped)
  if (spec === '') return toText(value)
  const match = specPattern.exec(spec)
  const [, fill, align, sign = '-', , alternate, zero, widthText, grouping, precisionText, type] = match ?? []
  if (match === null) throw new Fault('ValueError', 'Invalid format specifier')
  const width = Number(widthText ?? 0)
  const precision = precisionText === undefined ? undefined : Number(precisionText)
  const filler = fill ?? (zero === undefined ? ' ' : '0')
  if (isStr(stripped)) {
    if (type !== undefined && type !== 's') {
      throw new Fault('ValueError', `Unknown format code '${type}' for object of type 'str'`)
    }
    const end =
      precision === undefined
        ? plain(stripped).length
        : utf16Offset(plain(stripped), Math.min(precision, codePointLength(plain(stripped))))
    return alignText(sliceText(stripped, 0, end), filler, align ?? '<', width)
  }
  const digits = numberText(value, type, precision, alternate !== undefined, grouping)
  const signed = digits.startsWith('-') || sign === '-' ? digits : `${sign}${digits}`
  const alignment = align ?? (zero === undefined ? '>' : '=')
  if (alignment !== '=') return alignText(signed, filler, alignment, width)
  const [lead = ''] = /^[-+ ]?(?:0[xob])?/i.exec(signed) ?? []
  return concatTexts([lead, alignText(signed.slice(lead.length), filler, '>', width - lead.length)])
}

function numberText(
  value: Value,
  type: string | undefined,
  precision: number | undefined,
  alternate: boolean,
  grouping: string | undefined,
): string {
  const stripped = bare(value)
  const integer = asInteger(stripped)
  const number = asNumber(stripped)
  if (number === undefined) {
    throw new Fault('TypeError', `unsupported format string passed to ${typeName(value)}.__format__`)
  }
  let digits: string
  if (integer !== undefined && (type === undefined || /^[bdoxXn]$/.test(type))) {
    digits =
      typeof stripped === 'boolean' && type === undefined
        ? scalarText(stripped)
        : formatNumber(integer, { type: type === undefined || type === 'n' ? 'd' : type, alternate })
  } else if (type === 'c') return String.fromCodePoint(number)
  else if (type === undefined) {
    digits = precision === undefined ? formatFloat(number) : floatGeneral(number, precision)
  } else if (/^[eEfFgGn%]$/.test(type))
    digits = formatNumber(number, { type: type === 'n' ? 'g' : type, precision })
  else {
    const name = stripped instanceof PyFloat ? 'float' : typeName(stripped)
    throw new Fault('ValueError', `Unknown format code '${type}' for object of type '${name}'`)
  }
  if (grouping === undefined) return digits
  const [, lead = '', whole = '', rest = ''] = /^(-?)(\d+)([\s\S]*)$/.exec(digits) ?? []
  return lead + whole.replace(/\B(?=(\d{3})+(?!\d))/g, grouping) + rest
}

// Without a type a float keeps at least one digit behind the point.
function floatGeneral(value: number, precision: number): string {
  const text = formatNumber(value, { type: 'g', precision })
  return /[.en]/.test(text) ? text : `${text}.0`
}

function alignText(text: Str, fill: string, align: string, width: number): Str {
  const missing = width - codePointLength(plain(text))
  if (missing <= 0) return text
  spendCharacters(missing)
  const left = align === '<' ? 0 : align === '>' ? missing : missing >> 1
  return concatTexts([fill.repeat(left), text, fill.repeat(missing - left)])
}
