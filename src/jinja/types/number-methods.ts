import { bytesOrByte } from './bytes-methods.ts'
import { Fault } from '../fault.ts'
import { iterate, truth } from './iteration.ts'
import { spendCharacterWork } from '../meter.ts'
import { method, strArgument, type Method } from './method.ts'
import { asInteger, indexArgument, normalize, parseFloatHex, type Integer } from './numbers.ts'
import { plain } from './text.ts'
import { bare, PyBytes, PyComplex, PyFloat, PyTuple, type Bare, type Value } from './values.ts'

function numberMethod<T>(parameters: string, call: Method<T>['call']): Method<T> {
  return method<T>(parameters, call)
}

function isBigEndian(value: Value | undefined): boolean {
  const order = value === undefined ? 'big' : plain(strArgument(value))
  if (order !== 'big' && order !== 'little')
    throw new Fault('ValueError', "byteorder must be either 'little' or 'big'")
  return order === 'big'
}

function toBytes(self: Integer, [length, order, signed]: readonly (Value | undefined)[]): PyBytes {
  const count = length === undefined ? 1 : indexArgument(length)
  const isBig = isBigEndian(order)
  if (count < 0) throw new Fault('ValueError', 'length argument must be non-negative')
  const isSigned = signed !== undefined && truth(signed)
  spendCharacterWork(count, 8)
  let value = BigInt(self)
  if (value < 0n && !isSigned) throw new Fault('OverflowError', "can't convert negative int to unsigned")
  const size = BigInt(8 * Math.min(count, 10_000))
  const [low, high] = isSigned ? [-(1n << size) / 2n, (1n << size) / 2n] : [0n, 1n << size]
  if (count > 10_000 || (value !== 0n && (value < low || value >= high)))
    throw new Fault('OverflowError', 'int too big to convert')
  value = BigInt.asUintN(Number(size), value)
  const bytes = Array.from({ length: count }, (_, index) =>
    String.fromCharCode(Number((value >> BigInt(8 * index)) & 255n)),
  )
  return new PyBytes((isBig ? bytes.toReversed() : bytes).join(''))
}

function fromBytes([given, order, signed]: readonly (Value | undefined)[]): Integer {
  const stripped = bare(given ?? null)
  const isBig = isBigEndian(order)
  const digits =
    stripped instanceof PyBytes
      ? plain(stripped.text)
      : iterate(stripped)
          .map((item) => {
            indexArgument(item)
            return bytesOrByte(item)
          })
          .join('')
  spendCharacterWork(digits.length, 100)
  const bytes = Array.from(digits, (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0'))
  const value = BigInt(`0x0${(isBig ? bytes : bytes.toReversed()).join('')}`)
  return normalize(signed !== undefined && truth(signed) ? BigInt.asIntN(8 * bytes.length, value) : value)
}

/** The binary digits of an int, without its sign. */
function binary(value: Integer): string {
  const digits = BigInt(value).toString(2).replace('-', '')
  spendCharacterWork(digits.length, 4)
  return digits
}

const integerMethods: ReadonlyMap<string, Method<Integer>> = new Map([
  ['as_integer_ratio', numberMethod<Integer>('', (self) => new PyTuple([self, 1]))],
  ['bit_count', numberMethod<Integer>('', (self) => binary(self).replaceAll('0', '').length)],
  ['bit_length', numberMethod<Integer>('', (self) => (Number(self) === 0 ? 0 : binary(self).length))],
  ['conjugate', numberMethod<Integer>('', (self) => self)],
  ['from_bytes', numberMethod<Integer>('bytes, byteorder=, *, signed=', (_, given) => fromBytes(given))],
  ['to_bytes', numberMethod<Integer>('length=, byteorder=, *, signed=', toBytes)],
])

function floatRatio(value: number): PyTuple {
  if (Number.isNaN(value)) throw new Fault('ValueError', 'cannot convert NaN to integer ratio')
  if (!Number.isFinite(value)) throw new Fault('OverflowError', 'cannot convert Infinity to integer ratio')
  let numerator = value
  let exponent = 0
  while (!Number.isInteger(numerator)) {
    numerator *= 2
    exponent += 1
  }
  return new PyTuple([normalize(BigInt(numerator)), normalize(1n << BigInt(exponent))])
}

/** Python's float.hex: sign, mantissa in sixteen's, exponent of two. */
function floatHex(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const sign = bits >> 63n === 0n ? '' : '-'
  const exponent = Number((bits >> 52n) & 0x7ffn)
  const mantissa = bits & 0xfffffffffffffn
  if (exponent === 0 && mantissa === 0n) return `${sign}0x0.0p+0`
  const power = exponent === 0 ? -1022 : exponent - 1023
  return `${sign}0x${exponent === 0 ? 0 : 1}.${mantissa.toString(16).padStart(13, '0')}p${power < 0 ? '' : '+'}${power}`
}

const floatMethods: ReadonlyMap<string, Method<PyFloat>> = new Map([
  ['as_integer_ratio', numberMethod<PyFloat>('', ({ value }) => floatRatio(value))],
  ['conjugate', numberMethod<PyFloat>('', (self) => self)],
  [
    'fromhex',
    numberMethod<PyFloat>('string, /', (_, [text]) => {
      const value = parseFloatHex(plain(strArgument(text)))
      if (value === undefined) throw new Fault('ValueError', 'invalid hexadecimal floating-point string')
      if (!Number.isFinite(value) && /\d/.test(plain(strArgument(text))))
        throw new Fault('OverflowError', 'hexadecimal value too large to represent as a float')
      return new PyFloat(value)
    }),
  ],
  ['hex', numberMethod<PyFloat>('', ({ value }) => floatHex(value))],
  ['is_integer', numberMethod<PyFloat>('', ({ value }) => Number.isInteger(value))],
])

const complexMethods: ReadonlyMap<string, Method<PyComplex>> = new Map([
  ['conjugate', numberMethod<PyComplex>('', ({ real, imag }) => new PyComplex(real, -imag))],
])

/** The methods of Python's numbers, by the names of their types. */
export const numberMethods = { int: integerMethods, float: floatMethods, complex: complexMethods }

/** An attribute of a number that is no method. */
export function numberAttribute(value: Bare, name: string): Value | undefined {
  if (value instanceof PyComplex) {
    if (name === 'real') return new PyFloat(value.real)
    return name === 'imag' ? new PyFloat(value.imag) : undefined
  }
  const integer = asInteger(value)
  if (integer === undefined && !(value instanceof PyFloat)) return undefined
  if (name === 'real') return integer ?? value
  if (name === 'imag') return integer === undefined ? new PyFloat(0) : 0
  if (name === 'numerator') return integer
  return name === 'denominator' && integer !== undefined ? 1 : undefined
}
