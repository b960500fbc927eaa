import { applyBinary } from '../types/arithmetic.ts'
import { compileExpression, type Evaluate, type Frame } from './expression.ts'
import { concatTexts, Text, type Str } from '../types/text.ts'
import type { Activation } from './runtime.ts'
import type { Expression } from '../parse/syntax.ts'
import type { Value } from '../types/values.ts'

/** A chain of `+`, evaluated as one concatenation where all its parts are strings: templates are full of them. */
export function compileSum(expression: Expression & { kind: 'binary' }, frame: Frame): Evaluate {
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
