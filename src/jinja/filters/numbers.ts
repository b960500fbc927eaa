import { Fault } from '../fault.ts'
import { applyBinary, applySign } from '../types/arithmetic.ts'
import { truth } from '../types/iteration.ts'
import { filter, type Filter } from './shared.ts'
import { formatNumber } from '../types/format-number.ts'
import { keyOf } from '../types/keys.ts'
import {
  asInteger,
  asNumber,
  indexArgument,
  normalize,
  parseFloatText,
  parseInteger,
  roundHalfEven,
  roundInteger,
} from '../types/numbers.ts'
import { plain } from '../types/text.ts'
import {
  bare,
  isStr,
  orElse,
  PyBytes,
  PyComplex,
  PyFloat,
  typeName,
  Undefined,
  undefinedFault,
  type Bare,
  type Value,
} from '../types/values.ts'

type Given = readonly (Value | undefined)[]

/** Python's int() of a float; raises for what has no integer. */
function truncated(value: number): Value {
  if (Number.isNaN(value)) throw new Fault('ValueError', 'cannot convert float NaN to integer')
  if (!Number.isFinite(value)) throw new Fault('OverflowError', 'cannot convert float infinity to integer')
  return normalize(BigInt(Math.trunc(value)))
}

/** The characters that Python's int() and float() read: those of a str or of bytes. */
function digitsOf(value: Bare): string | undefined {
  if (isStr(value)) return plain(value)
  return value instanceof PyBytes ? plain(value.text) : undefined
}

function toInteger([value, otherwise, base]: Given): Value {
  const stripped = bare(value ?? null)
  if (stripped instanceof Undefined) throw undefinedFault(stripped)
  const fallback = orElse(otherwise, 0)
  const digits = digitsOf(stripped)
  if (digits !== undefined) {
    const radix = base === undefined || !isStr(stripped) ? 10 : asInteger(base)
    const parsed = radix === undefined ? undefined : parseInteger(digits, Number(radix))
    if (parsed !== undefined) return parsed
    const real = parseFloatText(digits)
    return real !== undefined && Number.isFinite(real) ? truncated(real) : fallback
  }
  const integer = asInteger(stripped)
  if (integer !== undefined) return integer
  if (!(stripped instanceof PyFloat) || Number.isNaN(stripped.value)) return fallback
  return truncated(stripped.value)
}

/** Python's float(value); `undefined` where it raises TypeError or ValueError. */
function readFloat(value: Bare): number | undefined {
  if (value instanceof Undefined) throw undefinedFault(value)
  const digits = digitsOf(value)
  if (digits !== undefined) return parseFloatText(digits)
  const number = asNumber(value)
  if (number !== undefined && !(value instanceof PyFloat) && !Number.isFinite(number))
    throw new Fault('OverflowError', 'int too large to convert to float')
  return number
}

function toFloat([value, otherwise]: Given): Value {
  const number = readFloat(bare(value ?? null))
  return number === undefined ? orElse(otherwise, new PyFloat(0)) : new PyFloat(number)
}

function round([value = null, precision = 0, method = 'common']: Given): Value {
  const kind = keyOf(method)
  if (kind !== 'common' && kind !== 'ceil' && kind !== 'floor')
    throw new Fault('FilterArgumentError', 'method must be common, ceil or floor')
  if (kind === 'common') return roundCommon(bare(value), precision)
  const scale = applyBinary('**', 10, precision)
  const scaled = bare(applyBinary('*', value, scale))
  const integer = asInteger(scaled)
  if (integer === undefined && !(scaled instanceof PyFloat))
    throw new Fault('TypeError', `must be real number, not ${typeName(scaled)}`)
  const rounded =
    scaled instanceof PyFloat
      ? truncated(kind === 'ceil' ? Math.ceil(scaled.value) : Math.floor(scaled.value))
      : scaled
  return applyBinary('/', rounded, scale)
}

function roundCommon(value: Bare, precision: Value): Value {
  const integer = asInteger(value)
  if (integer === undefined && !(value instanceof PyFloat))
    throw new Fault('TypeError', `type ${typeName(value)} doesn't define __round__ method`)
  if (bare(precision) === null) {
    return value instanceof PyFloat ? truncated(roundHalfEven(value.value, 0)) : (integer ?? null)
  }
  const places = indexArgument(precision)
  if (value instanceof PyFloat) return new PyFloat(roundHalfEven(value.value, places))
  return places >= 0 || integer === undefined ? (integer ?? null) : roundInteger(integer, -places)
}

function absolute([value]: Given): Value {
  const stripped = bare(value ?? null)
  if (stripped instanceof PyComplex) return new PyFloat(Math.hypot(stripped.real, stripped.imag))
  const number = asNumber(stripped)
  if (number === undefined)
    throw new Fault('TypeError', `bad operand type for abs(): '${typeName(stripped)}'`)
  return number < 0 || Object.is(number, -0) ? applySign('-', stripped) : applySign('+', stripped)
}

function fileSize([value, binary]: Given): Value {
  const size = readFloat(bare(value ?? null))
  if (size === undefined) throw new Fault('ValueError', 'could not convert to a size')
  const base = binary !== undefined && truth(binary) ? 1024 : 1000
  if (size === 1) return '1 Byte'
  if (size < base) return `${String(truncated(size))} Bytes`
  const prefixes =
    base === 1024
      ? ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
      : ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB']
  let index = 0
  while (index < prefixes.length - 1 && !(size < base ** (index + 2))) index += 1
  return `${formatNumber((base * size) / base ** (index + 2), { type: 'f', precision: 1 })} ${prefixes[index] ?? ''}`
}

/** The filters that compute with numbers. */
export const numberFilters: readonly (readonly [string, Filter])[] = [
  ['abs', filter('x, /', absolute)],
  ['filesizeformat', filter('value, binary=', fileSize)],
  ['float', filter('value, default=', toFloat)],
  ['int', filter('value, default=, base=', toInteger)],
  ['round', filter('value, precision=, method=', round)],
]
