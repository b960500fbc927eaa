import type { Expression } from '../parse/syntax.ts'
import { applyBinary } from '../types/arithmetic.ts'
import { concatTexts, type Str } from '../types/text.ts'
import { isStr, type Value } from '../types/values.ts'
import { compileExpression, type Evaluate, type Frame } from './frame.ts'

/** A chain of `+`, evaluated as one concatenation where all its parts are strings: templates are full of them. */
export function compileSum(expression: Expression & { kind: 'binary' }, frame: Frame): Evaluate {
  const terms: { add: Evaluate; position: number }[] = []
  let left: Expression = expression
  while (left.kind === 'binary' && left.operator === '+') {
    terms.unshift({ add: compileExpression(left.right, frame), position: left.position })
    left = left.left
  }
  const first = compileExpression(left, frame)
  return (activation) => {
    let sum: Value = first(activation)
    let texts: Str[] | undefined = isStr(sum) ? [sum] : undefined
    for (const { add, position } of terms) {
      const value = add(activation)
      if (texts !== undefined && isStr(value)) {
        texts.push(value)
        continue
      }
      if (texts !== undefined) sum = concatTexts(texts)
      texts = undefined
      activation.render.position = position
      sum = applyBinary('+', sum, value)
    }
    return texts === undefined ? sum : concatTexts(texts)
  }
}
