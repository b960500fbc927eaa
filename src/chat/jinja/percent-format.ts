import { Fault } from './fault.ts'
import { formatNumber } from './format-number.ts'
import { escapeHtml } from './html.ts'
import { keyOf } from './keys.ts'
import { asInteger, asNumber, indexArgument } from './numbers.ts'
import { spendCharacters } from './meter.ts'
import { toRepr, toText } from './print.ts'
import { asMarkup, codePointLength, concatTexts, plain, sliceText, utf16Offset, type Str } from './text.ts'
import { bare, isStr, PyDict, PyFloat, PyTuple, typeName, type Value } from './values.ts'

const directive = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?([\s\S]?)/g

/** Python's `format % values`, with the sources of the format and of every inserted text. */
export function percentFormat(format: Str, values: Value): Str {
  const isMarkup = typeof format !== 'string' && format.markup
  const stripped = bare(values)
  const source = plain(format)
  const positional = stripped instanceof PyTuple ? stripped.items : [values]
  let used = 0
  let usedNamed = false
  const take = (): Value => {
    const value = positional[used]
    if (value === undefined) throw new Fault('TypeError', 'not enough arguments for format string')
    used += 1
    return value
  }
  const pieces: Str[] = []
  let offset = 0
  for (const match of source.matchAll(directive)) {
    const [whole, name, flags = '', widthText, precisionText, type = ''] = match
    pieces.push(sliceText(format, offset, match.index))
    offset = match.index + whole.length
    if (type === '%') {
      pieces.push(sliceText(format, offset - 1, offset))
      continue
    }
    if (type === '') throw new Fault('ValueError', 'incomplete format')
    const width = widthText === '*' ? indexArgument(take()) : Number(widthText ?? 0)
    const hasPoint = whole.includes('.')
    const precision = precisionText === '*' ? indexArgument(take()) : Number(precisionText ?? 0)
    let value: Value
    if (name === undefined) value = take()
    else {
      usedNamed = true
      value = lookUp(stripped instanceof PyDict ? stripped : undefined, name)
    }
    const given =
      isMarkup && isStr(value) && !(typeof value !== 'string' && value.markup) ? escapeHtml(value) : value
    pieces.push(pad(convert(given, type, flags, width, hasPoint ? precision : undefined), flags, width))
  }
  pieces.push(sliceText(format, offset, source.length))
  const isMapping = stripped instanceof PyDict || usedNamed
  if (used < positional.length && !isMapping) {
    throw new Fault('TypeError', 'not all arguments converted during string formatting')
  }
  const result = concatTexts(pieces)
  return isMarkup ? asMarkup(result) : result
}

function lookUp(values: PyDict | undefined, name: string): Value {
  if (values === undefined) throw new Fault('TypeError', 'format requires a mapping')
  const value = values.entries.get(keyOf(name))
  if (value === undefined) throw new Fault('LookupError', `'${name}'`)
  return value
}

function convert(
  value: Value,
  type: string,
  flags: string,
  width: number,
  precision: number | undefined,
): Str {
  if (type === 's' || type === 'r' || type === 'a') {
    const text = type === 's' ? toText(value) : toRepr(value)
    if (precision === undefined) return text
    return sliceText(text, 0, utf16Offset(plain(text), Math.min(precision, codePointLength(plain(text)))))
  }
  if (type === 'c') {
    const code = asInteger(value)
    if (code !== undefined) return String.fromCodePoint(Number(code))
    const text = toText(value)
    if (codePointLength(plain(text)) !== 1) throw new Fault('TypeError', '%c requires int or char')
    return text
  }
  if (!/[diuoxXeEfFgG]/.test(type)) {
    throw new Fault(
      'ValueError',
      `unsupported format character '${type}' (0x${(type.codePointAt(0) ?? 0).toString(16)})`,
    )
  }
  const isInteger = /[diuoxX]/.test(type)
  const stripped = bare(value)
  const integer =
    asInteger(stripped) ??
    (isInteger && /[diu]/.test(type) && stripped instanceof PyFloat
      ? BigInt(Math.trunc(stripped.value))
      : undefined)
  const number = isInteger ? integer : asNumber(stripped)
  if (number === undefined) {
    const wanted = isInteger ? `%${type} format: a real number is required` : 'must be real number'
    throw new Fault('TypeError', `${wanted}, not ${typeName(value)}`)
  }
  const sign = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '-'
  const digits = formatNumber(number, {
    type: type === 'i' || type === 'u' ? 'd' : type,
    precision,
    alternate: flags.includes('#'),
  })
  const signed = digits.startsWith('-') ? digits : `${sign === '-' ? '' : sign}${digits}`
  if (!flags.includes('0') || flags.includes('-')) return signed
  const [lead = ''] = /^[-+ ]?(?:0[xXo])?/.exec(signed) ?? []
  spendCharacters(width)
  return lead + signed.slice(lead.length).padStart(width - lead.length, '0')
}

function pad(text: Str, flags: string, width: number): Str {
  const missing = width - codePointLength(plain(text))
  if (missing <= 0) return text
  spendCharacters(missing)
  const spaces = ' '.repeat(missing)
  return flags.includes('-') ? concatTexts([text, spaces]) : concatTexts([spaces, text])
}
