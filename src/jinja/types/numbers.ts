import { Fault } from '../fault.ts'
import { MAX_INTEGER_DIGITS } from '../limits.ts'
import { spendCharacterWork } from '../meter.ts'
import { bare, PyFloat, typeName, type Value } from './values.ts'

/** A Python int. */
export type Integer = number | bigint

/** An integer in its simplest form: number while it is safe. */
export function normalize(value: bigint): Integer {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

/** The integer that a value is (bool counts), or `undefined`. */
export function asInteger(given: Value): Integer | undefined {
  const value = bare(given)
  if (typeof value === 'number' || typeof value === 'bigint') return value
  return typeof value === 'boolean' ? Number(value) : undefined
}

/** A number that indexes or counts; throws where Python wants an int. */
export function indexArgument(value: Value): number {
  const integer = asInteger(value)
  if (integer === undefined) {
    throw new Fault('TypeError', `'${typeName(value)}' object cannot be interpreted as an integer`)
  }
  // Anything past the safe range is past the end of whatever it indexes.
  return Number(integer)
}

/** The number that a value is, as a JavaScript number; `undefined` when it is none. */
export function asNumber(value: Value): number | undefined {
  const stripped = bare(value)
  if (stripped instanceof PyFloat) return stripped.value
  const integer = asInteger(stripped)
  return integer === undefined ? undefined : Number(integer)
}

/** Python's repr of a float: shortest digits that round-trip, always with a point or an exponent. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (Object.is(value, -0)) return '-0.0'
  const [digits = '', exponentText = '0'] = value.toExponential().split('e')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= 16) {
    return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  const text =
    exponent < 0
      ? value.toFixed(Math.max(0, digits.replace(/[-.]/g, '').length - 1 - exponent))
      : String(value)
  return text.includes('.') ? text : `${text}.0`
}

/** Decimal digits of an integer; Python refuses more than 4300. */
export function formatInteger(value: Integer): string {
  const text = String(value)
  if (text.length > MAX_INTEGER_DIGITS)
    throw new Fault('ValueError', `an integer of more than ${MAX_INTEGER_DIGITS} digits as a text`)
  return text
}

/** Reads an int as Python's int(text); `undefined` where it raises. */
export function parseInteger(text: string): Integer | undefined {
  const digits = text.trim()
  if (digits.length > MAX_INTEGER_DIGITS || !/^[+-]?\d+(?:_\d+)*$/.test(digits)) return undefined
  const value = BigInt(digits.replace(/[+_]/g, ''))
  return normalize(value)
}

/** Reads a float as Python's float(text); `undefined` where it raises. */
export function parseFloatText(text: string): number | undefined {
  if (text.length > 64) spendCharacterWork(text.length, 8)
  const cleaned = text.trim().toLowerCase()
  const special = /^([+-]?)(inf|infinity|nan)$/.exec(cleaned)
  if (special !== null) {
    if (special[2] === 'nan') return Number.NaN
    return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }
  // Nothing in it can be read in two ways: a text of digits is gone through once.
  const number = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/
  return number.test(cleaned) ? Number(cleaned.replaceAll('_', '')) : undefined
}

/**
 * `value.toFixed(places)`, with exact ties going to the even digit as in Python: 2.25 → 2.2. Both languages round
 * the exact binary value; JavaScript takes ties away from zero.
 */
function toFixedEven(value: number, places: number): string {
  const rounded = value.toFixed(places)
  if (!/[13579]$/.test(rounded) || places > 70) return rounded
  // Doubles next to a tie leave it within 17 significant digits.
  const exact = value.toFixed(places + 30)
  if (!/50{29}$/.test(exact)) return rounded
  return exact.slice(0, exact.length - 30).replace(/\.$/, '')
}

/** Python's round half to even at a number of decimals, 0 or more. */
export function roundHalfEven(value: number, decimals: number): number {
  // toFixed takes the sign off a zero.
  const isKept = value === 0 || !Number.isFinite(value) || decimals > 100
  return isKept ? value : Number(toFixedEven(value, decimals))
}
