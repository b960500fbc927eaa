import { compileExpression, type Frame } from './expression.ts'
import { fold, foldsVisibly, isConstant } from './fold.ts'
import type { Activation } from './runtime.ts'
import type { Value } from '../types/values.ts'
import type { Expression } from '../parse/syntax.ts'

/** The value of a constant expression; `undefined` where it is none, or raises, or cannot be written down. */
export function foldConstant(expression: Expression, frame: Frame, isOutput = false): Value | undefined {
  if (!isConstant(expression, frame.isVolatile)) return undefined
  const evaluate = compileExpression(expression, { ...frame, isSoft: true, isFolding: true })
  return fold(() => evaluate(nowhere()), frame.autoescape, isOutput)
}

function nowhere(): Activation {
  return {
    slots: [],
    parent: undefined,
    render: { resolve: () => undefined, exported: undefined, position: 0 },
  }
}

/** The value of an expression that must be computed before the render, because that shows. */
export function foldVisible(expression: Expression, frame: Frame, isOutput: boolean): Value | undefined {
  if (frame.isFolding || !foldsVisibly(expression, frame, isOutput)) return undefined
  return foldConstant(expression, frame, isOutput)
}
