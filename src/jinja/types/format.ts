import { Fault } from '../fault.ts'
import { formFault } from '../left-out.ts'
import { spendReading, spendSteps } from '../meter.ts'
import { asInteger, formatFloat, formatInteger } from './numbers.ts'
import { toRepr, toText } from './print.ts'
import { concatTexts, plain, sliceText, type Str } from './text.ts'
import { bare, PyDict, PyFloat, PySequence, typeName, Undefined, type Named, type Value } from './values.ts'

/** Python's str.format with the fields `{}`, `{0}` and `{name}`; what they show is printed as `{{ value }}` does. */
export function formatBraces(format: Str, positional: readonly (Value | undefined)[], named: Named): Str {
  const source = plain(format)
  spendReading(source.length)
  const pieces: Str[] = []
  let offset = 0
  let automatic = 0
  let hasNumbers = false
  const valueOf = (field: string): Value | undefined => {
    if (/[!:.[]/.test(field)) throw formFault('a field with a conversion, a format or a path')
    if (field !== '' && !/^\d+$/.test(field)) return named.get(field)
    if (field === '' ? hasNumbers : automatic > 0)
      throw new Fault('ValueError', 'cannot mix numbered fields with fields without a number')
    if (field === '') return positional[automatic++]
    hasNumbers = true
    return positional[Number(field)]
  }
  for (const match of source.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g)) {
    spendSteps(1)
    const [whole, field] = match
    pieces.push(sliceText(format, offset, match.index))
    offset = match.index + whole.length
    if (field !== undefined) {
      const value = valueOf(field)
      if (value === undefined) throw new Fault('LookupError', `nothing is given for the field {${field}}`)
      pieces.push(toText(value))
    } else if (whole.length === 2) pieces.push(sliceText(format, match.index, match.index + 1))
    else throw braceFault(source.slice(match.index))
  }
  pieces.push(sliceText(format, offset, source.length))
  return concatTexts(pieces)
}

/** A brace that closes or opens nothing, unless a field stands inside a format of another. */
function braceFault(rest: string): Fault {
  if (/^\{[^{}]*:[^{}]*\{/.test(rest)) return formFault('a field with a conversion, a format or a path')
  return new Fault('ValueError', `Single '${rest.charAt(0)}' encountered in format string`)
}

const directive = /%(\([^()]*\))?([-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+)?)?[hlL]?)([\s\S]?)/gu

/** Python's `format % values` with `%s`, `%d`, `%r` and `%%`; texts keep their sources. */
export function formatPercent(format: Str, given: Value): Str {
  const text = plain(format)
  spendReading(text.length)
  const values = given instanceof PySequence && given.type === 'tuple' ? given.items : [given]
  const pieces: Str[] = []
  let used = 0
  let offset = 0
  for (const match of text.matchAll(directive)) {
    spendSteps(1)
    const [whole, name, flags, letter = ''] = match
    pieces.push(sliceText(format, offset, match.index))
    offset = match.index + whole.length
    if (letter === '') throw new Fault('ValueError', 'incomplete format')
    if (!/[%diuoxXeEfFgGcrsa]/.test(letter))
      throw new Fault('ValueError', `unsupported format character '${letter}'`)
    if (name !== undefined) throw formFault('a named field of %')
    if (flags !== '' || !/[%sdr]/.test(letter))
      throw formFault('a format with flags, a width, a precision or another letter than d, r or s')
    if (letter === '%') pieces.push(sliceText(format, offset - 1, offset))
    else {
      const value = values[used]
      if (value === undefined) throw new Fault('TypeError', 'not enough arguments for format string')
      used += 1
      pieces.push(convert(value, letter))
    }
  }
  pieces.push(sliceText(format, offset, text.length))
  // What has items may hold more than the format takes.
  const mayBeLeft =
    given instanceof PyDict ||
    given instanceof Undefined ||
    (given instanceof PySequence && (given.type === 'list' || given.type === 'range'))
  if (used < values.length && !mayBeLeft)
    throw new Fault('TypeError', 'not all arguments converted during string formatting')
  return concatTexts(pieces)
}

function convert(value: Value, letter: string): Str {
  if (letter === 's') return toText(value)
  if (letter === 'r') return toRepr(value)
  const number = bare(value)
  const integer = asInteger(number)
  if (integer !== undefined) return formatInteger(integer)
  if (!(number instanceof PyFloat))
    throw new Fault('TypeError', `%d format: a real number is required, not ${typeName(number)}`)
  if (!Number.isFinite(number.value))
    throw new Fault('ValueError', `cannot convert float ${formatFloat(number.value)} to integer`)
  return formatInteger(BigInt(Math.trunc(number.value)))
}
