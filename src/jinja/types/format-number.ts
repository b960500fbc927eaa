import { Fault } from '../fault.ts'
import { formatFloat, formatInteger, toFixedEven } from './numbers.ts'
import { spendCharacterWork } from '../meter.ts'
import { MAX_TEXT_LENGTH } from '../limits.ts'

interface NumberFormat {
  type: string
  precision?: number | undefined
  /** `#`: prefixes 0x, 0o, 0b; a point even where no digit follows. */
  alternate?: boolean
  /** A float's own format: at least one digit behind the point. */
  keepsPoint?: boolean
}

/** Digits of a number under a presentation type of Python's format language; the sign is a leading minus. */
export function formatNumber(
  value: number | bigint,
  { type, precision, alternate = false, keepsPoint = false }: NumberFormat,
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
  } else text = formatReal(Number(value), lower, precision ?? 6, alternate, keepsPoint)
  return type === lower ? text : text.toUpperCase()
}

function formatReal(
  value: number,
  type: string,
  precision: number,
  alternate: boolean,
  keepsPoint: boolean,
): string {
  if (!Number.isFinite(value)) return formatFloat(value) + (type === '%' ? '%' : '')
  if (type === 'e') return withPoint(padExponent(exponential(value, precision)), alternate)
  if (type === 'f') return withPoint(fixed(value, precision), alternate)
  if (type === '%') return `${withPoint(fixed(value * 100, precision), alternate)}%`
  return general(value, precision === 0 ? 1 : precision, alternate, keepsPoint)
}

function withPoint(text: string, alternate: boolean): string {
  return alternate && !text.includes('.') ? text.replace(/^-?\d+/, (digits) => `${digits}.`) : text
}

/** The decimal digits of a float, which has at most 1074 of them, with zeros behind. */
function fixed(value: number, places: number): string {
  if (Object.is(value, -0)) return `-${fixed(0, places)}`
  // toFixed switches to exponents at 1e21, and has no more than 100 places.
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}${places > 0 ? `.${'0'.repeat(places)}` : ''}`
  if (places <= 70) return toFixedEven(value, places)
  // No float has more than 1074 decimals.
  spendCharacterWork(places, 1)
  spendCharacterWork(1100, 24)
  return exactDecimals(value, Math.min(places, 1100)) + '0'.repeat(Math.max(0, places - 1100))
}

/** A float's decimals by exact integers, rounded half to even. */
function exactDecimals(value: number, places: number): string {
  let scaled = Math.abs(value)
  let shift = 0n
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    shift += 1n
  }
  const numerator = BigInt(scaled) * 10n ** BigInt(places)
  const denominator = 1n << shift
  const floor = numerator / denominator
  const rest = (numerator % denominator) * 2n
  const isUp = rest > denominator || (rest === denominator && floor % 2n === 1n)
  const digits = String(isUp ? floor + 1n : floor).padStart(places + 1, '0')
  return `${value < 0 ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`
}

/** toExponential with ties to the even digit, and more than its 100 places. */
function exponential(value: number, places: number): string {
  const shown = value.toExponential(Math.min(places, 100))
  if (places > 100) {
    const [mantissa = '', exponent = ''] = shown.split('e')
    return `${mantissa}${'0'.repeat(places - 100)}e${exponent}`
  }
  if (places > 60) return shown
  // JavaScript rounds a tie up, Python to the even digit.
  const [mantissa = '', exponent = ''] = value.toExponential(places + 40).split('e')
  const kept = mantissa.slice(0, -40)
  const isTie = mantissa.slice(-40) === `5${'0'.repeat(39)}` && /[02468]\.?$/.test(kept)
  return isTie ? `${kept.replace(/\.$/, '')}e${exponent}` : shown
}

function padExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

function general(value: number, precision: number, alternate: boolean, keepsPoint: boolean): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  if (value === 0)
    return `${sign}0${alternate && precision > 1 ? `.${'0'.repeat(precision - 1)}` : keepsPoint ? '.0' : alternate ? '.' : ''}`
  const shown = exponential(value, precision - 1)
  const exponent = Number(shown.split('e')[1])
  const trim = (digits: string): string =>
    !alternate && digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits
  if (exponent >= -4 && exponent < precision - (keepsPoint ? 1 : 0)) {
    const text = withPoint(trim(fixed(value, Math.max(0, precision - 1 - exponent))), alternate)
    return keepsPoint && !text.includes('.') ? `${text}.0` : text
  }
  const [mantissa = ''] = shown.split('e')
  const power = padExponent(`e${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`)
  return withPoint(`${trim(mantissa)}${power}`, alternate)
}
