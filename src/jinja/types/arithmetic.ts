import { Fault } from '../fault.ts'
import { formFault } from '../left-out.ts'
import { MAX_STEPS, MAX_TEXT_LENGTH } from '../limits.ts'
import { spendCharacters, spendSteps } from '../meter.ts'
import type { BinaryOperator } from '../parse/syntax.ts'
import { asInteger, asNumber, type Integer } from './numbers.ts'
import { formatPercent } from './format.ts'
import { concatTexts, plain } from './text.ts'
import {
  bare,
  isListOrTuple,
  isStr,
  PyFloat,
  PySequence,
  requireDefined,
  SafeText,
  typeFault,
  typeName,
  type Bare,
  type Value,
} from './values.ts'

/** A binary operator of Python's, with strings keeping the sources of their characters. */
export function applyBinary(operator: BinaryOperator, first: Value, second: Value): Value {
  const left = bare(first)
  const right = bare(second)
  requireDefined(left)
  if (isStr(left) && operator === '%') return formatPercent(left, right)
  requireDefined(right)
  if (operator === '+') return add(left, right)
  if (left instanceof SafeText) throw formFault('a method or an item of a `safe` text')
  if (operator === '*') {
    const repeated = repeat(left, right) ?? repeat(right, left)
    if (repeated !== undefined) return repeated
  }
  if (operator === '-' && [left, right].some((side) => side instanceof PySequence && side.isView))
    throw formFault('arithmetic of sets')
  return applyNumeric(operator, left, right)
}

function add(left: Bare, right: Bare): Value {
  if (isStr(left) && isStr(right)) return concatTexts([left, right])
  if (left instanceof SafeText || right instanceof SafeText) return addSafe(left, right)
  if (isListOrTuple(left) && right instanceof PySequence && left.type === right.type) {
    spendSteps(left.items.length + right.items.length)
    return new PySequence(left.type, [...left.items, ...right.items])
  }
  if (isStr(left) || isListOrTuple(left)) {
    const type = typeName(left)
    throw new Fault('TypeError', `can only concatenate ${type} (not "${typeName(right)}") to ${type}`)
  }
  return applyNumeric('+', left, right)
}

/** Adds to a safe text; where Python would escape the other side, and so change it, that is refused. */
function addSafe(left: Bare, right: Bare): SafeText {
  const [before, behind] = [left, right].map((side) => {
    if (side instanceof SafeText) return side.text
    if (!isStr(side)) throw unsupported('+', left, right)
    if (/[&<>'"]/.test(plain(side))) throw formFault('adding to a `safe` text what Python would escape')
    return side
  })
  return new SafeText(concatTexts([before ?? '', behind ?? '']))
}

function repeat(sequence: Bare, count: Bare): Value | undefined {
  const integer = asInteger(count)
  if (integer === undefined) return undefined
  const times = Math.max(0, Number(integer))
  if (isStr(sequence)) {
    const length = plain(sequence).length * times
    if (length > MAX_TEXT_LENGTH)
      throw new Fault('Limit', `a text of more than ${MAX_TEXT_LENGTH} characters`)
    if (length === 0) return ''
    spendCharacters(length)
    if (typeof sequence === 'string') return sequence.repeat(times)
    spendSteps(times)
    return concatTexts(Array.from({ length: times }, () => sequence))
  }
  if (!isListOrTuple(sequence)) return undefined
  const length = sequence.items.length * times
  if (length > MAX_STEPS) throw new Fault('Limit', `a list of more than ${MAX_STEPS} items`)
  spendSteps(length)
  const items = length === 0 ? [] : Array.from({ length: times }, () => sequence.items).flat()
  return new PySequence(sequence.type, items)
}

function unsupported(operator: string, left: Value, right: Value): Fault {
  const symbol = operator === '**' ? '** or pow()' : operator
  const types = `'${typeName(left)}' and '${typeName(right)}'`
  return new Fault('TypeError', `unsupported operand type(s) for ${symbol}: ${types}`)
}

function applyNumeric(operator: BinaryOperator, left: Bare, right: Bare): Value {
  const leftInteger = asInteger(left)
  const rightInteger = asInteger(right)
  if (leftInteger !== undefined && rightInteger !== undefined)
    return integerOperation(operator, leftInteger, rightInteger)
  const a = asNumber(left)
  const b = asNumber(right)
  if (a === undefined || b === undefined) throw unsupported(operator, left, right)
  if (operator === '**' && a < 0 && Number.isFinite(b) && !Number.isInteger(b))
    throw formFault('a complex number')
  if (![left, right].every((value) => value instanceof PyFloat || Number.isFinite(asNumber(value))))
    throw new Fault('OverflowError', 'int too large to convert to float')
  return new PyFloat(floatOperation(operator, a, b))
}

function integerOperation(operator: BinaryOperator, left: Integer, right: Integer): Value {
  if (typeof left === 'bigint' || typeof right === 'bigint') throw formFault('arithmetic beyond 2^53')
  if (right === 0 && (operator === '/' || operator === '//' || operator === '%')) {
    const found = operator === '/' ? 'division by zero' : 'integer division or modulo by zero'
    throw new Fault('ZeroDivisionError', found)
  }
  if (operator === '/') return new PyFloat(left / right)
  if (operator === '**' && right < 0) return new PyFloat(floatPower(left, right))
  const result = wholeOperation(operator, left, right)
  if (!Number.isSafeInteger(result)) throw formFault('arithmetic beyond 2^53')
  return result === 0 ? 0 : result
}

function wholeOperation(operator: Exclude<BinaryOperator, '/'>, left: number, right: number): number {
  if (operator === '+') return left + right
  if (operator === '-') return left - right
  if (operator === '*') return left * right
  if (operator === '//') return (left - floorModulo(left, right)) / right
  if (operator === '%') return floorModulo(left, right)
  // Where the power is one that a number holds, it is taken without rounding on the way.
  const power = left ** right
  return Number.isSafeInteger(power) ? Number(BigInt(left) ** BigInt(right)) : power
}

// Python's % takes the sign of the divisor.
function floorModulo(left: number, right: number): number {
  const rest = left % right
  return rest !== 0 && rest < 0 !== right < 0 ? rest + right : rest
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
  if (!Number.isFinite(result) && Number.isFinite(left) && Number.isFinite(right))
    throw new Fault('OverflowError', "(34, 'Numerical result out of range')")
  return result
}

/** Unary minus and plus. */
export function applySign(operator: '-' | '+', operand: Value): Value {
  const value = bare(operand)
  if (value instanceof PyFloat) return operator === '-' ? new PyFloat(-value.value) : value
  const integer = asInteger(value)
  if (integer === undefined)
    throw typeFault(value, `bad operand type for unary ${operator}: '${typeName(value)}'`)
  if (operator === '+') return integer
  return typeof integer === 'bigint' ? -integer : 0 - integer
}
