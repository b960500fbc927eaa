import { Fault } from '../fault.ts'
import { MAX_INTEGER_DIGITS, MAX_STEPS, MAX_TEXT_LENGTH } from '../limits.ts'
import { asInteger, asNumber, normalize, type Integer } from './numbers.ts'
import { spendCharacters, spendSteps } from '../meter.ts'
import { concatTexts, plain } from './text.ts'
import { percentFormat, percentFormatBytes } from './percent-format.ts'
import { complexOperation } from './complex.ts'
import { iterate } from './iteration.ts'
import { makeSet } from './keys.ts'
import { addTexts, likeSelf } from './markup.ts'
import {
  bare,
  isStr,
  PyBytes,
  PyComplex,
  PyFloat,
  PyList,
  PySet,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  undefinedFault,
  type Bare,
  type Value,
} from './values.ts'
import type { BinaryOperator } from '../parse/syntax.ts'

function unsupported(operator: string, left: Value, right: Value): Fault {
  const symbol = operator === '**' ? '** or pow()' : operator
  return new Fault(
    'TypeError',
    `unsupported operand type(s) for ${symbol}: '${typeName(left)}' and '${typeName(right)}'`,
  )
}

/** A binary operator of Python's, with strings keeping the sources of their characters. */
export function applyBinary(operator: BinaryOperator, first: Value, second: Value): Value {
  const left = bare(first)
  const right = bare(second)
  if (left instanceof Undefined) throw undefinedFault(left)
  if (isStr(left) && operator === '%') return percentFormat(left, right)
  if (left instanceof PyBytes && operator === '%') return new PyBytes(percentFormatBytes(left, right))
  if (right instanceof Undefined) throw undefinedFault(right)
  if (operator === '+') return add(left, right)
  if (operator === '*') {
    const repeated = repeat(left, right) ?? repeat(right, left)
    if (repeated !== undefined) return repeated
  }
  if (operator === '-') {
    const rest = subtractSets(left, right)
    if (rest !== undefined) return rest
  }
  return applyNumeric(operator, left, right)
}

function add(left: Bare, right: Bare): Value {
  if (isStr(left) && isStr(right)) return addTexts(left, right)
  if (left instanceof PyList && right instanceof PyList) {
    spendSteps(left.items.length + right.items.length)
    return new PyList([...left.items, ...right.items])
  }
  if (left instanceof PyTuple && right instanceof PyTuple) {
    spendSteps(left.items.length + right.items.length)
    return new PyTuple([...left.items, ...right.items])
  }
  if (left instanceof PyBytes && right instanceof PyBytes)
    return new PyBytes(concatTexts([left.text, right.text]))
  if (isStr(left)) throw new Fault('TypeError', `can only concatenate str (not "${typeName(right)}") to str`)
  if (left instanceof PyList)
    throw new Fault('TypeError', `can only concatenate list (not "${typeName(right)}") to list`)
  return applyNumeric('+', left, right)
}

/** `left - right` where the left side is a set or a view of keys or items; the right side of a view may be any iterable. */
function subtractSets(left: Bare, right: Bare): PySet | undefined {
  const isView = left instanceof PyView && left.type !== 'dict_values'
  const isAllowed = isView || (left instanceof PySet && right instanceof PySet)
  const isReversed = left instanceof PySet && right instanceof PyView && right.type !== 'dict_values'
  if (!isAllowed && !isReversed && !(right instanceof PyView && right.type !== 'dict_values'))
    return undefined
  const gone = makeSet(iterate(right))
  return new PySet(new Map([...makeSet(iterate(left)).items].filter(([key]) => !gone.items.has(key))))
}

function repeat(sequence: Bare, count: Bare): Value | undefined {
  if (sequence instanceof PyBytes) {
    const repeated = repeat(sequence.text, count)
    return repeated !== undefined && isStr(repeated) ? new PyBytes(repeated) : undefined
  }
  const integer = asInteger(count)
  if (integer === undefined) return undefined
  const times = Math.max(0, Number(integer))
  if (isStr(sequence)) {
    const length = plain(sequence).length * times
    if (length > MAX_TEXT_LENGTH)
      throw new Fault('Limit', `a text of more than ${MAX_TEXT_LENGTH} characters`)
    if (length === 0) return likeSelf(sequence, '')
    spendCharacters(length)
    spendSteps(typeof sequence === 'string' ? 1 : times)
    return typeof sequence === 'string'
      ? sequence.repeat(times)
      : likeSelf(sequence, concatTexts(Array.from({ length: times }, () => sequence)))
  }
  if (!(sequence instanceof PyList) && !(sequence instanceof PyTuple)) return undefined
  const length = sequence.items.length * times
  if (length > MAX_STEPS) throw new Fault('Limit', `a list of more than ${MAX_STEPS} items`)
  spendSteps(length)
  const items = length === 0 ? [] : Array.from({ length: times }, () => sequence.items).flat()
  return sequence instanceof PyList ? new PyList(items) : new PyTuple(items)
}

function applyNumeric(operator: BinaryOperator, left: Bare, right: Bare): Value {
  const leftInteger = asInteger(left)
  const rightInteger = asInteger(right)
  if (leftInteger !== undefined && rightInteger !== undefined)
    return integerOperation(operator, leftInteger, rightInteger)
  if (left instanceof PyComplex || right instanceof PyComplex) {
    const result = complexOperation(operator, left, right)
    if (result !== undefined) return result
    throw unsupported(operator, left, right)
  }
  const a = asNumber(left)
  const b = asNumber(right)
  if (a === undefined || b === undefined) throw unsupported(operator, left, right)
  if (operator === '**' && a < 0 && Number.isFinite(b) && !Number.isInteger(b))
    return complexOperation(operator, left, right) ?? null
  if (![left, right].every((value) => value instanceof PyFloat || Number.isFinite(asNumber(value))))
    throw new Fault('OverflowError', 'int too large to convert to float')
  return new PyFloat(floatOperation(operator, a, b))
}

function integerOperation(operator: BinaryOperator, left: Integer, right: Integer): Value {
  if (operator === '/') {
    if (Number(right) === 0) throw new Fault('ZeroDivisionError', 'division by zero')
    return new PyFloat(divideIntegers(left, right))
  }
  if ((operator === '//' || operator === '%') && Number(right) === 0) {
    throw new Fault('ZeroDivisionError', 'integer division or modulo by zero')
  }
  if (operator === '**') return integerPower(left, right)
  if (typeof left === 'number' && typeof right === 'number') {
    const result = smallOperation(operator, left, right)
    if (Number.isSafeInteger(result)) return result === 0 ? 0 : result
  }
  return bigOperation(operator, BigInt(left), BigInt(right))
}

/** Python's true division: the quotient of the integers, rounded once. */
function divideIntegers(left: Integer, right: Integer): number {
  if (typeof left === 'number' && typeof right === 'number') return left / right
  // Enough bits for the quotient to be rounded as the exact one is; a sticky bit stands for what is below them.
  const [dividend, divisor] = [BigInt(left), BigInt(right)]
  const sizeOf = (value: bigint): number => value.toString(16).length * 4
  const shift = Math.max(0, sizeOf(divisor) - sizeOf(dividend) + 72)
  const scaled = dividend << BigInt(shift)
  const quotient = scaled / divisor
  const sticky = scaled % divisor === 0n ? quotient : quotient | 1n
  const result = Number(sticky) / 2 ** shift
  if (!Number.isFinite(result))
    throw new Fault('OverflowError', 'integer division result too large for a float')
  return result
}

function smallOperation(operator: BinaryOperator, left: number, right: number): number {
  if (operator === '+') return left + right
  if (operator === '-') return left - right
  if (operator === '*') return left * right
  if (operator === '//') return (left - floorModulo(left, right)) / right
  return floorModulo(left, right)
}

// Python's % takes the sign of the divisor.
function floorModulo(left: number, right: number): number {
  const rest = left % right
  return rest !== 0 && rest < 0 !== right < 0 ? rest + right : rest
}

function bigOperation(operator: BinaryOperator, left: bigint, right: bigint): Value {
  if (operator === '+') return normalize(left + right)
  if (operator === '-') return normalize(left - right)
  const rest = operator === '*' ? 0n : left % right
  const modulo = rest !== 0n && rest < 0n !== right < 0n ? rest + right : rest
  if (operator === '%') return normalize(modulo)
  if (operator === '//') return normalize((left - modulo) / right)
  const product = left * right
  checkSize(product)
  return normalize(product)
}

function checkSize(value: bigint): void {
  // 10^4300 has 14,285 bits; printing more is refused anyway, so computing with more is.
  if (value.toString(16).length > MAX_INTEGER_DIGITS) {
    throw new Fault('Limit', `an integer of more than ${MAX_INTEGER_DIGITS} digits`)
  }
}

function integerPower(left: Integer, right: Integer): Value {
  if (right < 0) {
    if (Number(left) === 0) throw new Fault('ZeroDivisionError', '0.0 cannot be raised to a negative power')
    return new PyFloat(Number(left) ** Number(right))
  }
  const digits = Math.log10(Math.abs(Number(left)) + 1) * Number(right)
  if (digits > MAX_INTEGER_DIGITS && left !== 1 && left !== -1 && left !== 0) {
    throw new Fault('Limit', `an integer of more than ${MAX_INTEGER_DIGITS} digits`)
  }
  if (left === 1 || left === 0) return Number(right) === 0 ? 1 : left
  if (left === -1) return BigInt(right) % 2n === 0n ? 1 : -1
  return normalize(BigInt(left) ** BigInt(right))
}

function floatOperation(operator: BinaryOperator, left: number, right: number): number {
  if (operator === '+') return left + right
  if (operator === '-') return left - right
  if (operator === '*') return left * right
  if (operator === '**') return floatPower(left, right)
  if (right === 0) {
    const names = { '/': 'float division by zero', '//': 'float floor division by zero', '%': 'float modulo' }
    throw new Fault('ZeroDivisionError', names[operator])
  }
  if (operator === '/') return left / right
  // A zero has the sign of the divisor.
  const rest = floorModulo(left, right)
  const modulo = rest === 0 ? (right < 0 ? -0 : 0) : rest
  return operator === '%' ? modulo : Math.round((left - modulo) / right)
}

function floatPower(left: number, right: number): number {
  if (left === 0 && right < 0)
    throw new Fault('ZeroDivisionError', '0.0 cannot be raised to a negative power')
  const result = left ** right
  if (!Number.isFinite(result) && Number.isFinite(left) && Number.isFinite(right)) {
    throw new Fault('OverflowError', "(34, 'Numerical result out of range')")
  }
  return result
}

/** Unary minus and plus. */
export function applySign(operator: '-' | '+', operand: Value): Value {
  const value = bare(operand)
  if (value instanceof Undefined) throw undefinedFault(value)
  if (value instanceof PyComplex) return operator === '-' ? new PyComplex(-value.real, -value.imag) : value
  if (value instanceof PyFloat) return operator === '-' ? new PyFloat(-value.value) : value
  const integer = asInteger(value)
  if (integer === undefined)
    throw new Fault('TypeError', `bad operand type for unary ${operator}: '${typeName(value)}'`)
  if (operator === '+') return integer
  return typeof integer === 'bigint' ? normalize(-integer) : integer === 0 ? 0 : -integer
}
