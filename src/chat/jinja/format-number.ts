import { Fault } from './fault.ts'
import { formatFloat, formatInteger, toFixedEven } from './numbers.ts'
import { MAX_TEXT_LENGTH } from './limits.ts'

interface NumberFormat {
  type: string
  precision?: number | undefined
  /** `#`: prefixes 0x, 0o, 0b. */
  alternate?: boolean
}

/** Digits of a number under a presentation type of Python's format language; the sign is a leading minus. */
export function formatNumber(
  value: number | bigint,
  { type, precision, alternate = false }: NumberFormat,
): string {
  if (precision !== undefined && precision > MAX_TEXT_LENGTH)
    throw new Fault('Limit', 'a precision that is too large')
  const lower = type.toLowerCase()
  let text: string
  if (lower === 'd' || lower === 'x' || lower === 'o' || lower === 'b') {
    const radix = { d: 10, x: 16, o: 8, b: 2 }[lower]
    const negative = value < 0
    const magnitude = negative ? -BigInt(value) : BigInt(value)
    const digits = (radix === 10 ? formatInteger(magnitude) : magnitude.toString(radix)).padStart(
      precision ?? 0,
      '0',
    )
    text = `${negative ? '-' : ''}${alternate && radix !== 10 ? `0${lower}` : ''}${digits}`
  } else text = formatReal(Number(value), lower, precision ?? 6)
  return type === lower ? text : text.toUpperCase()
}

function formatReal(value: number, type: string, precision: number): string {
  if (!Number.isFinite(value)) return formatFloat(value)
  const places = Math.min(precision, 100)
  if (type === 'e') return padExponent(value.toExponential(places))
  if (type === 'f') return fixed(value, places)
  if (type === '%') return `${fixed(value * 100, places)}%`
  return general(value, places === 0 ? 1 : places)
}

function fixed(value: number, places: number): string {
  // toFixed switches to exponents at 1e21.
  if (Math.abs(value) < 1e21)
    return Object.is(value, -0) ? `-${(0).toFixed(places)}` : toFixedEven(value, places)
  return `${BigInt(value)}${places > 0 ? `.${'0'.repeat(places)}` : ''}`
}

function padExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

function general(value: number, precision: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const exponential = value.toExponential(precision - 1)
  const exponent = Number(exponential.split('e')[1])
  const trim = (digits: string): string => (digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits)
  if (exponent >= -4 && exponent < precision)
    return trim(value.toFixed(Math.min(100, precision - 1 - exponent)))
  const [mantissa = ''] = exponential.split('e')
  return padExponent(`${trim(mantissa)}e${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`)
}
