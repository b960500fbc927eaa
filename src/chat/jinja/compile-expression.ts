import { getAttribute, getItem, Slice, sliceConstant } from './access.ts'
import { applyBinary, applySign } from './arithmetic.ts'
import { compareWith } from './compare.ts'
import { syntaxError } from './fault.ts'
import { callFilter, hasFilter, runTest } from './filters.ts'
import { keyOf, makeDict } from './keys.ts'
import { callValue, type Activation } from './runtime.ts'
import { callStringMethod, hasStringMethod } from './string-methods.ts'
import { hasTest } from './tests.ts'
import { methodNames } from './container-methods.ts'
import { spendSteps } from './meter.ts'
import { concatTexts, Text, type Str } from './text.ts'
import { toText } from './print.ts'
import {
  bare,
  isStr,
  iterate,
  noNamed,
  orElse,
  PyDict,
  PyFloat,
  PyList,
  PyTuple,
  truth,
  typeName,
  Undefined,
  undefinedFault,
  type Named,
  type Value,
} from './values.ts'
import { Fault } from './fault.ts'
import type { Slot, Symbols, Unit } from './scope.ts'
import type { Arguments, Constant, Expression, FilterExpression } from './syntax.ts'

/** A compiled expression. */
export type Evaluate = (activation: Activation) => Value

/** Where an expression is compiled: its names, its function, and whether a branch makes unknown filters wait. */
export interface Frame {
  readonly source: string
  readonly symbols: Symbols
  readonly unit: Unit
  /** Inside a branch: jinja2 then complains of an unknown filter or test only when it is reached. */
  readonly isSoft: boolean
  readonly isInLoop: boolean
}

/** The activation that holds a slot, seen from code of `unit`. */
function hopsTo(slot: Slot, unit: Unit): number {
  return unit.depth - slot.unit.depth
}

/** Compiles reading a slot. */
export function compileRead(slot: Slot, unit: Unit): (activation: Activation) => Value | undefined {
  const { index } = slot
  const hops = hopsTo(slot, unit)
  if (hops === 0) return (activation) => activation.slots[index]
  return (activation) => {
    let holder: Activation | undefined = activation
    for (let hop = 0; hop < hops; hop += 1) holder = holder?.parent
    return holder?.slots[index]
  }
}

/** Compiles an expression into a function of the activation. */
export function compileExpression(expression: Expression, frame: Frame): Evaluate {
  const compile = (inner: Expression): Evaluate => compileExpression(inner, frame)
  const { position } = expression
  switch (expression.kind) {
    case 'constant': {
      const value = constantValue(expression.value)
      return () => value
    }
    case 'name':
      return compileName(expression.name, frame)
    case 'list': {
      const items = expression.items.map(compile)
      return (activation) => new PyList(items.map((item) => item(activation)))
    }
    case 'tuple': {
      const items = expression.items.map(compile)
      return (activation) => new PyTuple(items.map((item) => item(activation)))
    }
    case 'dict': {
      const entries = expression.entries.map(([key, value]) => [compile(key), compile(value)] as const)
      return (activation) => {
        const pairs = entries.map(([key, value]): [Value, Value] => [key(activation), value(activation)])
        activation.render.position = position
        return makeDict(pairs)
      }
    }
    case 'concat': {
      const items = expression.items.map(compile)
      return (activation) => concatTexts(items.map((item) => toText(item(activation))))
    }
    case 'attribute':
      return compileAttribute(compile(expression.object), expression.name, position)
    case 'item':
      return compileItem(expression.object, expression.key, position, frame)
    case 'slice': {
      const slice = compileSlice(expression, frame)
      return (activation) => {
        slice(activation)
        throw new Fault('TypeError', 'a slice among several indices')
      }
    }
    case 'call':
      return compileCall(expression.callee, expression.arguments, position, frame)
    case 'filter':
      return compileFilter(expression, frame)
    case 'test':
      return compileTest(expression, frame)
    case 'not': {
      const operand = compile(expression.operand)
      return (activation) => !truth(operand(activation))
    }
    case 'negative':
    case 'positive': {
      const operand = compile(expression.operand)
      const sign = expression.kind === 'negative' ? '-' : '+'
      return (activation) => {
        const value = operand(activation)
        activation.render.position = position
        return applySign(sign, value)
      }
    }
    case 'and': {
      const left = compile(expression.left)
      const right = compile(expression.right)
      return (activation) => {
        const value = left(activation)
        return truth(value) ? right(activation) : value
      }
    }
    case 'or': {
      const left = compile(expression.left)
      const right = compile(expression.right)
      return (activation) => {
        const value = left(activation)
        return truth(value) ? value : right(activation)
      }
    }
    case 'binary': {
      if (expression.operator === '+') return compileSum(expression, frame)
      const left = compile(expression.left)
      const right = compile(expression.right)
      const { operator } = expression
      return (activation) => {
        const first = left(activation)
        const second = right(activation)
        activation.render.position = position
        return applyBinary(operator, first, second)
      }
    }
    case 'compare':
      return compileCompare(expression, frame)
    case 'conditional':
      return compileConditional(expression, frame)
  }
}

function constantValue(value: Constant): Value {
  return typeof value === 'object' && value !== null ? new PyFloat(value.float) : value
}

function compileName(name: string, frame: Frame): Evaluate {
  const slot = frame.symbols.find(name)
  const missing = new Undefined(`'${name}' is undefined`)
  if (slot === undefined) return () => missing
  const { index } = slot
  if (hopsTo(slot, frame.unit) === 0) return (activation) => orElse(activation.slots[index], missing)
  const read = compileRead(slot, frame.unit)
  return (activation) => orElse(read(activation), missing)
}

function compileAttribute(object: Evaluate, name: string, position: number): Evaluate {
  const mayBeMethod = methodNames.has(name) || name.startsWith('__')
  return (activation) => {
    const value = object(activation)
    if (!mayBeMethod && value instanceof PyDict) {
      const entry = value.entries.get(name)
      if (entry !== undefined) return entry
    }
    activation.render.position = position
    return getAttribute(value, name)
  }
}

function compileItem(sequence: Expression, key: Expression, position: number, frame: Frame): Evaluate {
  const object = compileExpression(sequence, frame)
  if (key.kind === 'slice') {
    const slice = compileSlice(key, frame)
    const read = isConstant(sequence) ? sliceConstant : getItem
    return (activation) => {
      const value = object(activation)
      const bounds = slice(activation)
      activation.render.position = position
      return read(value, bounds)
    }
  }
  const evaluateKey = compileExpression(key, frame)
  return (activation) => {
    const value = object(activation)
    const item = evaluateKey(activation)
    if (typeof item === 'string' && value instanceof PyDict) {
      const entry = value.entries.get(keyOf(item))
      if (entry !== undefined) return entry
    }
    activation.render.position = position
    return getItem(value, item)
  }
}

/** Whether jinja2 evaluates an expression when it compiles the template. */
function isConstant(expression: Expression): boolean {
  if (expression.kind === 'constant') return true
  return (expression.kind === 'list' || expression.kind === 'tuple') && expression.items.every(isConstant)
}

function compileSlice(
  expression: Expression & { kind: 'slice' },
  frame: Frame,
): (activation: Activation) => Slice {
  const bound = (part: Expression | undefined): Evaluate =>
    part ? compileExpression(part, frame) : () => null
  const start = bound(expression.start)
  const stop = bound(expression.stop)
  const step = bound(expression.step)
  return (activation) => new Slice(start(activation), stop(activation), step(activation))
}

/** A chain of `+`, evaluated as one concatenation where all its parts are strings: templates are full of them. */
function compileSum(expression: Expression & { kind: 'binary' }, frame: Frame): Evaluate {
  const operands: Expression[] = []
  const positions: number[] = []
  let left: Expression = expression
  while (left.kind === 'binary' && left.operator === '+') {
    operands.unshift(left.right)
    positions.unshift(left.position)
    left = left.left
  }
  const first = compileExpression(left, frame)
  const rest = operands.map((operand) => compileExpression(operand, frame))
  return (activation) => {
    const start = first(activation)
    if (!isPlainStr(start)) return addAll(start, rest, positions, 0, activation)
    const pieces: Str[] = [start]
    for (let index = 0; index < rest.length; index += 1) {
      const value = rest[index]?.(activation) ?? null
      if (!isPlainStr(value)) {
        const sum = concatTexts(pieces)
        activation.render.position = positions[index] ?? 0
        return addAll(applyBinary('+', sum, value), rest, positions, index + 1, activation)
      }
      pieces.push(value)
    }
    return concatTexts(pieces)
  }
}

function isPlainStr(value: Value): value is Str {
  return typeof value === 'string' || (value instanceof Text && !value.markup)
}

function addAll(
  start: Value,
  rest: readonly Evaluate[],
  positions: readonly number[],
  from: number,
  activation: Activation,
): Value {
  let sum = start
  for (let index = from; index < rest.length; index += 1) {
    const value = rest[index]?.(activation) ?? null
    activation.render.position = positions[index] ?? 0
    sum = applyBinary('+', sum, value)
  }
  return sum
}

/** Evaluates arguments in Python's order. */
export function compileArguments(
  given: Arguments,
  frame: Frame,
): (activation: Activation) => [Value[], Named] {
  const positional = given.positional.map((value) => compileExpression(value, frame))
  const named = given.named.map(([name, value]) => [name, compileExpression(value, frame)] as const)
  const spread = given.spread && compileExpression(given.spread, frame)
  const spreadNamed = given.spreadNamed && compileExpression(given.spreadNamed, frame)
  if (named.length === 0 && !spread && !spreadNamed)
    return (activation) => [positional.map((value) => value(activation)), noNamed]
  return (activation) => {
    const values = positional.map((value) => value(activation))
    if (spread) values.push(...iterate(spread(activation)))
    const names = new Map<string, Value>()
    for (const [name, value] of named) names.set(name, value(activation))
    if (spreadNamed) {
      const dict = bare(spreadNamed(activation))
      if (dict instanceof Undefined) throw undefinedFault(dict)
      if (!(dict instanceof PyDict))
        throw new Fault('TypeError', `argument after ** must be a mapping, not ${typeName(dict)}`)
      for (const [key, value] of dict.entries) {
        if (typeof key !== 'string') throw new Fault('TypeError', 'keywords must be strings')
        if (names.has(key)) throw new Fault('TypeError', `got multiple values for keyword argument '${key}'`)
        names.set(key, value)
      }
    }
    return [values, names]
  }
}

function compileCall(callee: Expression, given: Arguments, position: number, frame: Frame): Evaluate {
  const readArguments = compileArguments(given, frame)
  if (callee.kind === 'attribute') {
    const object = compileExpression(callee.object, frame)
    const { name } = callee
    const isStringMethod = hasStringMethod(name)
    return (activation) => {
      const value = object(activation)
      if (isStringMethod && isStr(value)) {
        const [positional, named] = readArguments(activation)
        activation.render.position = position
        spendSteps(1)
        return callStringMethod(value, name, positional, named) ?? null
      }
      activation.render.position = position
      const method = getAttribute(value, name)
      const [positional, named] = readArguments(activation)
      activation.render.position = position
      spendSteps(1)
      return callValue(method, positional, named)
    }
  }
  const evaluateCallee = compileExpression(callee, frame)
  return (activation) => {
    const value = evaluateCallee(activation)
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    spendSteps(1)
    return callValue(value, positional, named)
  }
}

/** Compiles a filter; in a filter block `input` stands for the block's text. */
export function compileFilter(expression: FilterExpression, frame: Frame, input?: Evaluate): Evaluate {
  const { name, position } = expression
  if (!hasFilter(name) && !frame.isSoft)
    throw syntaxError(frame.source, position, `no filter named '${name}'`)
  let target = input
  if (expression.target?.kind === 'filter') target = compileFilter(expression.target, frame, input)
  else if (expression.target !== undefined) target = compileExpression(expression.target, frame)
  if (target === undefined) throw syntaxError(frame.source, position, 'a filter without a value')
  const evaluateTarget = target
  const readArguments = compileArguments(expression.arguments, frame)
  return (activation) => {
    const value = evaluateTarget(activation)
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    return callFilter(name, value, positional, named)
  }
}

function compileTest(expression: Expression & { kind: 'test' }, frame: Frame): Evaluate {
  const { name, position } = expression
  if (!hasTest(name) && !frame.isSoft) throw syntaxError(frame.source, position, `no test named '${name}'`)
  const target = compileExpression(expression.target, frame)
  const readArguments = compileArguments(expression.arguments, frame)
  if (expression.arguments.positional.length === 0 && expression.arguments.named.length === 0) {
    if (name === 'defined') return (activation) => !(target(activation) instanceof Undefined)
    if (name === 'string') return (activation) => isStr(target(activation))
    if (name === 'none') return (activation) => bare(target(activation)) === null
  }
  return (activation) => {
    const value = target(activation)
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    return runTest(name, value, positional, named)
  }
}

function compileCompare(expression: Expression & { kind: 'compare' }, frame: Frame): Evaluate {
  const first = compileExpression(expression.first, frame)
  const rest = expression.rest.map(
    ([operator, value]) => [operator, compileExpression(value, frame)] as const,
  )
  const { position } = expression
  return (activation) => {
    let left = first(activation)
    for (const [operator, evaluate] of rest) {
      const right = evaluate(activation)
      activation.render.position = position
      if (!compareWith(operator, left, right)) return false
      left = right
    }
    return true
  }
}

function compileConditional(expression: Expression & { kind: 'conditional' }, frame: Frame): Evaluate {
  const soft = { ...frame, isSoft: true }
  const test = compileExpression(expression.test, soft)
  const whenTrue = compileExpression(expression.whenTrue, soft)
  const missing = new Undefined(
    'the inline if-expression evaluated to false and no else section was defined.',
  )
  const otherwise = expression.otherwise ? compileExpression(expression.otherwise, soft) : () => missing
  return (activation) => (truth(test(activation)) ? whenTrue(activation) : otherwise(activation))
}
