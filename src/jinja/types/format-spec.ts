import { Fault } from '../fault.ts'
import { formatNumber } from './format-number.ts'
import { asInteger, asNumber, formatFloat, formatInteger } from './numbers.ts'
import { spendCharacters } from '../meter.ts'
import { toText } from './print.ts'
import { codePointLength, concatTexts, plain, sliceText, utf16Offset, type Str } from './text.ts'
import { bare, isStr, PyFloat, typeName, type Value } from './values.ts'

/** A format specification of Python's, taken apart. */
interface Spec {
  fill: string | undefined
  align: string | undefined
  sign: string
  noNegativeZero: boolean
  alternate: boolean
  zero: boolean
  width: number
  grouping: string
  precision: number | undefined
  type: string
}

const pattern = /^(?:([\s\S])?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([\s\S])?$/u

function parseSpec(spec: string): Spec {
  const match = pattern.exec(spec)
  if (match === null) throw new Fault('ValueError', `Invalid format specifier '${spec}'`)
  const [, fill, align, sign = '', z, alternate, zero, width, grouping = '', precision, type = ''] = match
  return {
    fill,
    align,
    sign,
    noNegativeZero: z !== undefined,
    alternate: alternate !== undefined,
    // After a fill of its own the zero is a digit of the width.
    zero: zero !== undefined && fill === undefined,
    width: Number(width ?? 0),
    grouping,
    precision: precision === undefined ? undefined : Number(precision),
    type,
  }
}

/** Python's format(value, spec). */
export function formatValue(value: Value, text: string): Str {
  if (text === '') return toText(value)
  const stripped = bare(value)
  const isNumber = asNumber(stripped) !== undefined
  if (!isStr(stripped) && !isNumber)
    throw new Fault('TypeError', `unsupported format string passed to ${typeName(value)}.__format__`)
  const spec = parseSpec(text)
  if (isStr(stripped)) return formatText(stripped, spec)
  const integer = asInteger(stripped)
  if (integer !== undefined && (spec.type === '' || 'bcdoxXn'.includes(spec.type)))
    return formatInt(integer, spec)
  return formatReal(stripped instanceof PyFloat, Number(asNumber(stripped)), spec)
}

function formatText(
  text: Str,
  { fill, align, sign, noNegativeZero, alternate, zero, width, grouping, precision, type }: Spec,
): Str {
  if (type !== '' && type !== 's')
    throw new Fault('ValueError', `Unknown format code '${type}' for object of type 'str'`)
  if (sign !== '' || noNegativeZero || alternate || grouping !== '' || align === '=')
    throw new Fault('ValueError', 'a sign, #, z, grouping or = is not allowed in string format specifier')
  const { length } = plain(text)
  const end =
    precision === undefined
      ? length
      : utf16Offset(plain(text), Math.min(precision, codePointLength(plain(text))))
  return alignText(sliceText(text, 0, end), fill ?? (zero ? '0' : ' '), align ?? '<', width)
}

function formatInt(value: number | bigint, spec: Spec): Str {
  const { type, precision, grouping, sign, alternate } = spec
  if (precision !== undefined)
    throw new Fault('ValueError', 'Precision not allowed in integer format specifier')
  if (spec.noNegativeZero)
    throw new Fault('ValueError', 'Negative zero coercion (z) not allowed in format specifier')
  if ((grouping === ',' && /^[bcnoxX]$/.test(type)) || (grouping === '_' && /^[cn]$/.test(type)))
    throw new Fault('ValueError', `Cannot specify '${grouping}' with '${type}'.`)
  if (type === 'c') {
    if (sign !== '' || alternate)
      throw new Fault('ValueError', "Sign or # not allowed with integer format specifier 'c'")
    if (value < 0 || value > 0x10ffff) throw new Fault('OverflowError', '%c arg not in range(0x110000)')
    return padNumber({ sign: '', prefix: '', digits: String.fromCodePoint(Number(value)), rest: '' }, spec, 0)
  }
  const magnitude = value < 0 ? -BigInt(value) : BigInt(value)
  const radix = { b: 2, o: 8, x: 16, X: 16 }[type] ?? 10
  let digits = radix === 10 ? formatInteger(magnitude) : magnitude.toString(radix)
  if (type === 'X') digits = digits.toUpperCase()
  const prefix = alternate && radix !== 10 ? `0${type}` : ''
  return padNumber({ sign: signOf(value < 0, sign), prefix, digits, rest: '' }, spec, radix === 10 ? 3 : 4)
}

function signOf(isNegative: boolean, sign: string): string {
  if (isNegative) return '-'
  return sign === '-' ? '' : sign
}

function formatReal(isFloat: boolean, value: number, spec: Spec): Str {
  const { type, precision, grouping, noNegativeZero, sign, alternate } = spec
  if (type !== '' && !/^[eEfFgGn%]$/.test(type))
    throw new Fault(
      'ValueError',
      `Unknown format code '${type}' for object of type '${isFloat ? 'float' : 'int'}'`,
    )
  if (grouping !== '' && type === 'n') throw new Fault('ValueError', `Cannot specify '${grouping}' with 'n'.`)
  if (!isFloat && !Number.isFinite(value))
    throw new Fault('OverflowError', 'int too large to convert to float')
  const isShortest = type === '' && precision === undefined
  const text = isShortest
    ? formatFloat(value)
    : formatNumber(value, {
        type: type === '' || type === 'n' ? 'g' : type,
        precision,
        alternate,
        keepsPoint: type === '',
      })
  const magnitude = text.replace(/^-/, '')
  const isZero = noNegativeZero && !/[1-9a-z]/i.test(magnitude.replace(/e[\s\S]*$/i, ''))
  const [, digits = '', rest = ''] = /^(\d*)([\s\S]*)$/.exec(magnitude) ?? []
  return padNumber({ sign: signOf(text.startsWith('-') && !isZero, sign), prefix: '', digits, rest }, spec, 3)
}

interface NumberParts {
  sign: string
  /** `0x` and its like. */
  prefix: string
  digits: string
  /** What follows the whole digits: point, decimals, exponent. */
  rest: string
}

function padNumber({ sign, prefix, digits, rest }: NumberParts, spec: Spec, group: number): Str {
  const { width, grouping } = spec
  const fill = spec.fill ?? (spec.zero ? '0' : ' ')
  const align = spec.align ?? (spec.zero ? '=' : '>')
  const lead = sign + prefix
  spendCharacters(width)
  if (grouping !== '' && digits !== '') {
    // Zeros that fill up to the width are grouped, too.
    const least = fill === '0' && align === '=' ? width - lead.length - rest.length : 0
    const body = groupDigits(digits, grouping, group, least) + rest
    return align === '='
      ? concatTexts([lead, alignText(body, fill, '>', width - lead.length)])
      : alignText(lead + body, fill, align, width)
  }
  if (align === '=') return concatTexts([lead, alignText(digits + rest, fill, '>', width - lead.length)])
  return alignText(lead + digits + rest, fill, align, width)
}

/** CPython's insertion of separators, from the right, until the digits and the least width are used up. */
function groupDigits(digits: string, separator: string, size: number, least: number): string {
  const groups: string[] = []
  let remaining = digits.length
  let wanted = least
  for (;;) {
    const length = Math.min(size, Math.max(remaining, wanted, 1))
    const taken = Math.min(remaining, length)
    groups.unshift(digits.slice(remaining - taken, remaining).padStart(length, '0'))
    remaining -= taken
    wanted -= length
    if (remaining <= 0 && wanted <= 0) return groups.join(separator)
    wanted -= 1
  }
}

function alignText(text: Str, fill: string, align: string, width: number): Str {
  const missing = width - codePointLength(plain(text))
  if (missing <= 0) return text
  spendCharacters(missing)
  const left = align === '<' ? 0 : align === '^' ? missing >> 1 : missing
  return concatTexts([fill.repeat(left), text, fill.repeat(missing - left)])
}
