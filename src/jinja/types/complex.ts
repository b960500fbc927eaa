import { Fault } from '../fault.ts'
import { asNumber, formatFloat } from './numbers.ts'
import { PyComplex, type Bare } from './values.ts'

/** A number as a complex one; `undefined` for what is no number. */
function toComplex(value: Bare): PyComplex | undefined {
  if (value instanceof PyComplex) return value
  const real = asNumber(value)
  return real === undefined ? undefined : new PyComplex(real, 0)
}

function times(left: PyComplex, right: PyComplex): PyComplex {
  return new PyComplex(
    left.real * right.real - left.imag * right.imag,
    left.real * right.imag + left.imag * right.real,
  )
}

// CPython's way (Smith's), which divides by the larger part first.
function divided(left: PyComplex, right: PyComplex): PyComplex {
  if (right.real === 0 && right.imag === 0) throw new Fault('ZeroDivisionError', 'complex division by zero')
  if (Math.abs(right.real) >= Math.abs(right.imag)) {
    const ratio = right.imag / right.real
    const scale = right.real + right.imag * ratio
    return new PyComplex((left.real + left.imag * ratio) / scale, (left.imag - left.real * ratio) / scale)
  }
  const ratio = right.real / right.imag
  const scale = right.real * ratio + right.imag
  return new PyComplex((left.real * ratio + left.imag) / scale, (left.imag * ratio - left.real) / scale)
}

function power(left: PyComplex, right: PyComplex): PyComplex {
  if (right.real === 0 && right.imag === 0) return new PyComplex(1, 0)
  if (left.real === 0 && left.imag === 0) {
    if (right.imag !== 0 || right.real < 0)
      throw new Fault('ZeroDivisionError', '0.0 to a negative or complex power')
    return new PyComplex(0, 0)
  }
  if (right.imag === 0 && Number.isInteger(right.real) && Math.abs(right.real) <= 100)
    return integerPower(left, right.real)
  const size = Math.hypot(left.real, left.imag)
  const angle = Math.atan2(left.imag, left.real)
  let length = size ** right.real
  let phase = angle * right.real
  if (right.imag !== 0) {
    length *= Math.exp(-angle * right.imag)
    phase += right.imag * Math.log(size)
  }
  return new PyComplex(length * Math.cos(phase), length * Math.sin(phase))
}

function integerPower(base: PyComplex, exponent: number): PyComplex {
  let result = new PyComplex(1, 0)
  let square = base
  for (let mask = Math.abs(exponent); mask > 0; mask = Math.floor(mask / 2)) {
    if (mask % 2 === 1) result = times(result, square)
    square = times(square, square)
  }
  return exponent < 0 ? divided(new PyComplex(1, 0), result) : result
}

/** An operator on numbers of which one is complex, or whose power is; `undefined` where one is no number. */
export function complexOperation(operator: string, first: Bare, second: Bare): PyComplex | undefined {
  const left = toComplex(first)
  const right = toComplex(second)
  if (left === undefined || right === undefined) return undefined
  if (operator === '+') return new PyComplex(left.real + right.real, left.imag + right.imag)
  if (operator === '-') return new PyComplex(left.real - right.real, left.imag - right.imag)
  if (operator === '*') return times(left, right)
  if (operator === '/') return divided(left, right)
  return operator === '**' ? power(left, right) : undefined
}

/** Python's repr of a complex number: `(1+2j)`, `2j`. */
export function formatComplex({ real, imag }: PyComplex): string {
  const part = (value: number): string => formatFloat(value).replace(/\.0$/, '')
  const imaginary = `${part(imag)}j`
  if (real === 0 && !Object.is(real, -0)) return imaginary
  return `(${part(real)}${/^[-+]/.test(imaginary) ? '' : '+'}${imaginary})`
}
