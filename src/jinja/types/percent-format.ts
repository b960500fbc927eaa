import { Fault } from '../fault.ts'
import { formatNumber } from './format-number.ts'
import { toAscii } from './brace-format.ts'
import { escapeHtml } from './html-entities.ts'
import { escapeValue, isMarkup } from './markup.ts'
import { keyOf } from './keys.ts'
import { asInteger, asNumber, formatFloat, indexArgument, parseFloatText, parseInteger } from './numbers.ts'
import { spendCharacters } from '../meter.ts'
import { toRepr, toText } from './print.ts'
import {
  asMarkup,
  codePointLength,
  concatTexts,
  mapText,
  plain,
  sliceText,
  utf16Offset,
  withoutMarkup,
  type Str,
} from './text.ts'
import {
  bare,
  isStr,
  PyBytes,
  PyDict,
  PyFloat,
  PyList,
  PyRange,
  PyTuple,
  typeName,
  Undefined,
  type Bare,
  type Value,
} from './values.ts'

// The name may hold brackets in pairs, of which one level is read.
const directive = /%(?:\(((?:[^()]|\([^()]*\))*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?([\s\S]?)/gu

/** Python's `format % values` for bytes: `%s` and `%b` take bytes, `%c` a byte, numbers are written as ASCII. */
export function percentFormatBytes({ text }: PyBytes, values: Value): Str {
  const stripped = bare(values)
  const asText = (value: Value): Value => {
    const inner = bare(value)
    if (isStr(inner)) throw new Fault('TypeError', '%b requires a bytes-like object, not str')
    return inner instanceof PyBytes ? inner.text : value
  }
  const format = mapText(text, (value) => value.replaceAll('%b', '%s'))
  return percentFormat(
    format,
    stripped instanceof PyTuple ? new PyTuple(stripped.items.map(asText)) : asText(stripped),
  )
}

/** Where the directives of a format take their values from. */
interface Source {
  take(): Value
  named(name: string): Value
}

function openSource(values: Value): { source: Source; isUsedUp: () => boolean } {
  const stripped = bare(values)
  const positional = stripped instanceof PyTuple ? stripped.items : [values]
  let used = 0
  let lastNamed: Value | undefined
  const source: Source = {
    take() {
      const value = lastNamed ?? positional[used]
      if (value === undefined) throw new Fault('TypeError', 'not enough arguments for format string')
      if (lastNamed === undefined) used += 1
      lastNamed = undefined
      return value
    },
    named(name) {
      lastNamed = lookUp(stripped, name)
      used = positional.length
      return lastNamed
    },
  }
  // What has items may hold more than the format takes.
  const isMapping =
    stripped instanceof PyDict ||
    stripped instanceof PyList ||
    stripped instanceof PyRange ||
    stripped instanceof PyBytes ||
    stripped instanceof Undefined
  return { source, isUsedUp: () => isMapping || used >= positional.length }
}

/** Python's `format % values`, with the sources of the format and of every inserted text. */
export function percentFormat(format: Str, values: Value): Str {
  const escapes = isMarkup(format)
  const text = plain(format)
  const { source, isUsedUp } = openSource(values)
  const pieces: Str[] = []
  let offset = 0
  for (const match of text.matchAll(directive)) {
    const [whole, name, flags = '', widthText, precisionText, type = ''] = match
    pieces.push(sliceText(format, offset, match.index))
    offset = match.index + whole.length
    if (whole.startsWith('%(') && name === undefined) throw new Fault('ValueError', 'incomplete format key')
    if (name !== undefined) source.named(name)
    const width = widthText === '*' ? starArgument(source) : Number(widthText ?? 0)
    const precision = precisionText === '*' ? Math.max(0, starArgument(source)) : Number(precisionText ?? 0)
    if (type === '') throw new Fault('ValueError', 'incomplete format')
    if (type === '%') {
      pieces.push(sliceText(format, offset - 1, offset))
      continue
    }
    if (!/[diuoxXeEfFgGcrsa]/.test(type))
      throw new Fault('ValueError', `unsupported format character '${type}'`)
    const value = source.take()
    const hasPoint = /\./.test(whole.slice(name === undefined ? 1 : name.length + 3))
    const spec = {
      type,
      flags: width < 0 ? `${flags}-` : flags,
      width: Math.abs(width),
      precision: hasPoint ? precision : undefined,
    }
    pieces.push(pad(convert(value, spec, escapes), spec))
  }
  pieces.push(sliceText(format, offset, text.length))
  if (!isUsedUp()) throw new Fault('TypeError', 'not all arguments converted during string formatting')
  const result = concatTexts(pieces)
  return escapes ? asMarkup(result) : result
}

function starArgument(source: Source): number {
  const value = bare(source.take())
  if (asInteger(value) === undefined) throw new Fault('TypeError', '* wants int')
  return indexArgument(value)
}

function lookUp(values: Bare, name: string): Value {
  if (!(values instanceof PyDict)) throw new Fault('TypeError', 'format requires a mapping')
  const value = values.entries.get(keyOf(name))
  if (value === undefined) throw new Fault('LookupError', `'${name}'`)
  return value
}

interface Directive {
  type: string
  flags: string
  width: number
  precision: number | undefined
}

function convert(value: Value, { type, flags, width, precision }: Directive, escapes: boolean): Str {
  if (type === 's' || type === 'r' || type === 'a') {
    const printed = type === 's' ? toText(value) : type === 'r' ? toRepr(value) : toAscii(toRepr(value))
    const text = escapes ? withoutMarkup(type === 's' ? escapeValue(value) : escapeHtml(printed)) : printed
    if (precision === undefined) return text
    return sliceText(text, 0, utf16Offset(plain(text), Math.min(precision, codePointLength(plain(text)))))
  }
  const stripped = bare(value)
  // Markup wraps what it formats in a helper that is an int or a float only for `%d` and `%f`.
  if (escapes && (type === 'c' || /[oxX]/.test(type)))
    throw new Fault('TypeError', `%${type} format: an integer is required, not _MarkupEscapeHelper`)
  if (type === 'c') return character(stripped)
  const isInteger = /[diuoxX]/.test(type)
  const number = isInteger ? integerOf(stripped, type, escapes) : realOf(stripped, escapes)
  const sign = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
  const digits = formatNumber(number, {
    type: type === 'i' || type === 'u' ? 'd' : type,
    precision,
    alternate: flags.includes('#'),
  })
  const signed = digits.startsWith('-') ? digits : `${sign}${digits}`
  if (!flags.includes('0') || flags.includes('-')) return signed
  const [lead = ''] = /^[-+ ]?(?:0[xXo])?/.exec(signed) ?? []
  spendCharacters(width)
  return lead + signed.slice(lead.length).padStart(width - lead.length, '0')
}

function character(value: Bare): Str {
  const code = asInteger(value)
  if (code !== undefined) {
    if (code < 0 || code > 0x10ffff) throw new Fault('OverflowError', '%c arg not in range(0x110000)')
    return String.fromCodePoint(Number(code))
  }
  if (!isStr(value) || codePointLength(plain(value)) !== 1)
    throw new Fault('TypeError', '%c requires int or char')
  return withoutMarkup(value)
}

function integerOf(value: Bare, type: string, escapes: boolean): number | bigint {
  const integer = asInteger(value)
  if (integer !== undefined) return integer
  if (/[diu]/.test(type) && value instanceof PyFloat) {
    if (!Number.isFinite(value.value))
      throw new Fault('ValueError', `cannot convert float ${formatFloat(value.value)} to integer`)
    return BigInt(Math.trunc(value.value))
  }
  const parsed = escapes && isStr(value) ? parseInteger(plain(value)) : undefined
  if (parsed !== undefined) return parsed
  throw new Fault('TypeError', `%${type} format: a real number is required, not ${typeName(value)}`)
}

function realOf(value: Bare, escapes: boolean): number {
  const number = asNumber(value) ?? (escapes && isStr(value) ? parseFloatText(plain(value)) : undefined)
  if (number === undefined) throw new Fault('TypeError', `must be real number, not ${typeName(value)}`)
  if (!(value instanceof PyFloat) && !isStr(value) && !Number.isFinite(number))
    throw new Fault('OverflowError', 'int too large to convert to float')
  return number
}

function pad(text: Str, { flags, width }: Directive): Str {
  const missing = width - codePointLength(plain(text))
  if (missing <= 0) return text
  spendCharacters(missing)
  const spaces = ' '.repeat(missing)
  return flags.includes('-') ? concatTexts([text, spaces]) : concatTexts([spaces, text])
}
