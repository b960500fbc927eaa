import { Fault, syntaxError } from '../fault.ts'
import { checkNamespaceName } from '../filters/index.ts'
import { beforeChange } from '../fork-state.ts'
import type { Target } from '../parse/syntax.ts'
import { iterate } from '../types/iteration.ts'
import { Namespace, type Value } from '../types/values.ts'
import { compileName, type Frame } from './frame.ts'
import type { Activation } from './runtime.ts'

type Assign = (activation: Activation, value: Value) => void

/** Compiles an assignment to a target. */
export function compileTarget(target: Target, frame: Frame): Assign {
  const { position } = target
  if (target.kind === 'name') {
    const register = frame.symbols.find(target.name)
    if (register === undefined || register.unit !== frame.unit)
      throw syntaxError(frame.source, position, {
        found: `an assignment to '${target.name}' that has no place`,
      })
    const { index } = register
    return (activation, value) => void (activation.registers[index] = value)
  }
  if (target.kind === 'target-attribute') {
    const read = compileName(target.name, frame)
    const { attribute } = target
    return (activation, value) => {
      const namespace = read(activation)
      activation.render.position = position
      if (!(namespace instanceof Namespace))
        throw new Fault('TemplateError', 'cannot assign attribute on non-namespace object')
      checkNamespaceName(attribute)
      beforeChange()
      namespace.attributes.set(attribute, value)
    }
  }
  const parts = target.items.map((item) => compileTarget(item, frame))
  return (activation, value) => {
    activation.render.position = position
    const items = iterate(value)
    if (items.length !== parts.length) {
      const problem = items.length > parts.length ? 'too many values' : 'not enough values'
      throw new Fault('ValueError', `${problem} to unpack (expected ${parts.length}, got ${items.length})`)
    }
    parts.forEach((part, index) => part(activation, items[index] ?? null))
  }
}
