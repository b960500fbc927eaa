import { Fault } from '../fault.ts'
import { formFault } from '../left-out.ts'
import { applyBinary, applySign } from '../types/arithmetic.ts'
import { defineBuiltins, type Given } from '../types/builtin.ts'
import { keyOf } from '../types/keys.ts'
import {
  asInteger,
  asNumber,
  indexArgument,
  normalize,
  parseFloatText,
  parseInteger,
  roundHalfEven,
} from '../types/numbers.ts'
import {
  bare,
  orElse,
  PyFloat,
  requireDefined,
  strOf,
  typeName,
  type Bare,
  type Value,
} from '../types/values.ts'

/** Python's int() of a float; raises for what has no integer. */
function truncated(value: number): Value {
  if (Number.isNaN(value)) throw new Fault('ValueError', 'cannot convert float NaN to integer')
  if (!Number.isFinite(value)) throw new Fault('OverflowError', 'cannot convert float infinity to integer')
  return normalize(BigInt(Math.trunc(value)))
}

function toInteger(value: Value, [otherwise]: Given): Value {
  requireDefined(value)
  const fallback = orElse(otherwise, 0)
  const digits = strOf(value)
  if (digits !== undefined) {
    const parsed = parseInteger(digits)
    if (parsed !== undefined) return parsed
    const real = parseFloatText(digits)
    return real !== undefined && Number.isFinite(real) ? truncated(real) : fallback
  }
  const integer = asInteger(value)
  if (integer !== undefined) return integer
  const number = bare(value)
  return number instanceof PyFloat && !Number.isNaN(number.value) ? truncated(number.value) : fallback
}

function toFloat(value: Value, [otherwise]: Given): Value {
  requireDefined(value)
  const digits = strOf(value)
  const number = digits === undefined ? asNumber(value) : parseFloatText(digits)
  if (number === undefined) return orElse(otherwise, new PyFloat(0))
  if (asInteger(value) !== undefined && !Number.isFinite(number))
    throw new Fault('OverflowError', 'int too large to convert to float')
  return new PyFloat(number)
}

function round(value: Value, [precision = 0, method = 'common']: Given): Value {
  const kind = keyOf(method)
  if (kind !== 'common' && kind !== 'ceil' && kind !== 'floor')
    throw new Fault('FilterArgumentError', 'method must be common, ceil or floor')
  if (kind === 'common') return roundCommon(bare(value), precision)
  const scale = applyBinary('**', 10, precision)
  const scaled = bare(applyBinary('*', value, scale))
  if (asNumber(scaled) === undefined)
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
  const places = indexArgument(precision)
  if (places < 0) throw formFault('rounding to tens')
  return value instanceof PyFloat ? new PyFloat(roundHalfEven(value.value, places)) : (integer ?? null)
}

function absolute(value: Value): Value {
  const number = asNumber(value)
  if (number === undefined) throw new Fault('TypeError', `bad operand type for abs(): '${typeName(value)}'`)
  return applySign(number < 0 || Object.is(number, -0) ? '-' : '+', value)
}

/** The filters that compute with numbers. */
export const numberFilters = defineBuiltins<Value>({
  'abs()': absolute,
  'float(default=)': toFloat,
  'int(default=, base!)': toInteger,
  'round(precision=, method=)': round,
})
