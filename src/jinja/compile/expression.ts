import { applyBinary, applySign } from '../types/arithmetic.ts'
import { compareWith } from '../types/compare.ts'
import { compileCall, compileFilter, compileTest } from './call.ts'
import { foldVisible } from './constant.ts'
import { compileAttribute, compileItem, compileSlice } from './item.ts'
import { compileSum } from './sum.ts'
import { Fault } from '../fault.ts'
import { softText } from '../filters/shared.ts'
import { truth } from '../types/iteration.ts'
import { makeDict } from '../types/keys.ts'
import { isMarkup, joinTexts } from '../types/markup.ts'
import { toText } from '../types/print.ts'
import { asMarkup, concatTexts, type Str } from '../types/text.ts'
import { orElse, PyFloat, PyList, PyTuple, Undefined, type Value } from '../types/values.ts'
import type { Activation } from './runtime.ts'
import type { RunBlock } from './block.ts'
import type { Slot, Symbols, Unit } from './scope.ts'
import type { Constant, Expression } from '../parse/syntax.ts'

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
  /** On the level whose assignments the template's blocks see. */
  readonly isOutermost: boolean
  /** Whether what is written here is escaped, as far as the text of the template says. */
  readonly autoescape: boolean
  /** Where only the render knows whether it is. */
  readonly isVolatile: boolean
  /** Inside a constant that is computed before the render. */
  readonly isFolding: boolean
  /** The template's blocks by name, filled when all of it is compiled. */
  readonly blocks: Map<string, RunBlock>
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
  const constant = foldVisible(expression, frame, false)
  if (constant !== undefined) return () => constant
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
      if (frame.autoescape && !frame.isVolatile && !frame.isFolding)
        return (activation) => joinMarkup(items.map((item) => item(activation)))
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

/** jinja2's markup_join: plain text up to the first Markup, from which on all is escaped. */
function joinMarkup(values: readonly Value[]): Str {
  const texts = values.map(softText)
  return texts.some(isMarkup) ? joinTexts(asMarkup(''), texts) : concatTexts(texts)
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
