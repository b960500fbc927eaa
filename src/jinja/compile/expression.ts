import { Fault } from '../fault.ts'
import type { Expression } from '../parse/syntax.ts'
import { applyBinary, applySign } from '../types/arithmetic.ts'
import { compareWith } from '../types/compare.ts'
import { truth } from '../types/iteration.ts'
import { makeDict } from '../types/keys.ts'
import { toText } from '../types/print.ts'
import { concatTexts } from '../types/text.ts'
import { PyFloat, PySequence, Undefined, type Value } from '../types/values.ts'
import { compileCall, compileFilter, compileTest } from './call.ts'
import { compileName, type Evaluate, type Frame } from './frame.ts'
import { compileAttribute, compileItem, compileSlice } from './item.ts'
import { compileSum } from './sum.ts'

/** Compiles an expression of any kind. */
export function compileAnyExpression(expression: Expression, frame: Frame): Evaluate {
  const compile = (inner: Expression): Evaluate => compileAnyExpression(inner, frame)
  const { position } = expression
  switch (expression.kind) {
    case 'constant': {
      const given = expression.value
      const value = typeof given === 'object' && given !== null ? new PyFloat(given.float) : given
      return () => value
    }
    case 'name':
      return compileName(expression.name, frame)
    case 'list':
    case 'tuple': {
      const { kind } = expression
      const items = expression.items.map(compile)
      return (activation) =>
        new PySequence(
          kind,
          items.map((item) => item(activation)),
        )
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
      return compileCall(expression, frame)
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
      return compileCompare(expression, compile)
    case 'conditional':
      return compileConditional(expression, frame)
  }
}

function compileCompare(
  { first, rest, position }: Expression & { kind: 'compare' },
  compile: (expression: Expression) => Evaluate,
): Evaluate {
  const start = compile(first)
  const steps = rest.map(([operator, value]) => [operator, compile(value)] as const)
  return (activation) => {
    let left = start(activation)
    for (const [operator, evaluate] of steps) {
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
  const test = compileAnyExpression(expression.test, soft)
  const whenTrue = compileAnyExpression(expression.whenTrue, soft)
  const missing = new Undefined(
    'the inline if-expression evaluated to false and no else section was defined.',
  )
  const otherwise = expression.otherwise ? compileAnyExpression(expression.otherwise, soft) : () => missing
  return (activation) => (truth(test(activation)) ? whenTrue(activation) : otherwise(activation))
}
