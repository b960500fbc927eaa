import type { Expression } from '../parse/syntax.ts'
import { getAttribute, getItem } from '../types/access.ts'
import { dictMethodNames } from '../types/container-methods.ts'
import { keyOf } from '../types/keys.ts'
import { Slice } from '../types/slice.ts'
import { PyDict } from '../types/values.ts'
import { compileExpression, type Evaluate, type Frame } from './frame.ts'
import type { Activation } from './runtime.ts'

/** Compiles `object.name`. */
export function compileAttribute(object: Evaluate, name: string, position: number): Evaluate {
  const mayBeMethod = dictMethodNames.has(name) || name.startsWith('__')
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

/** Compiles `object[key]`. */
export function compileItem(sequence: Expression, key: Expression, position: number, frame: Frame): Evaluate {
  const object = compileExpression(sequence, frame)
  if (key.kind === 'slice') {
    const slice = compileSlice(key, frame)
    return (activation) => {
      const value = object(activation)
      const bounds = slice(activation)
      activation.render.position = position
      return getItem(value, bounds)
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

/** Compiles the bounds of a slice. */
export function compileSlice(
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
