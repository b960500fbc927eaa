import { Fault, syntaxError } from '../fault.ts'
import { compileExpression, type Evaluate, type Frame } from './expression.ts'
import { compileBody, compileEntry, innerFrame } from './statement.ts'
import { makeDict } from '../types/keys.ts'
import { enter, leave } from '../meter.ts'
import { Output, type Activation } from './runtime.ts'
import { renderState } from '../render-state.ts'
import { analyze, analyzeExpression, Unit } from './scope.ts'
import { asMarkup } from '../types/text.ts'
import { findUndeclared } from './undeclared.ts'
import { orElse, PyFunction, PyTuple, Undefined, type Named, type Value } from '../types/values.ts'
import type { Macro } from '../parse/syntax.ts'

/** What a macro takes besides its parameters, because its body mentions it. */
interface Extras {
  caller: boolean
  kwargs: boolean
  varargs: boolean
}

/** Compiles a macro, or the body of a call block, into what makes the function at run time. */
export function compileMacro(macro: Macro, frame: Frame): (activation: Activation) => PyFunction {
  const inner: Frame = { ...innerFrame(frame, new Unit(frame.unit)), isInLoop: false }
  const names = macro.parameters.map((parameter) => parameter.name.name)
  const slots = names.map((name) => inner.symbols.declare(name).index)
  for (const parameter of macro.parameters)
    if (parameter.default) analyzeExpression(inner.symbols, parameter.default)
  const undeclared = findUndeclared(macro.body, ['caller', 'kwargs', 'varargs'])
  const explicit = names.indexOf('caller')
  // A caller among the parameters is filled as one, so it must be optional.
  if (undeclared.has('caller') && explicit !== -1 && macro.parameters[explicit]?.default === undefined) {
    throw syntaxError(
      frame.source,
      macro.position,
      'a parameter that is named caller, without a default',
      'caller with a default, or under another name',
    )
  }
  const extras: Extras = {
    caller: undeclared.has('caller'),
    kwargs: undeclared.has('kwargs') && !names.includes('kwargs'),
    varargs: undeclared.has('varargs') && !names.includes('varargs'),
  }
  const special = (name: 'caller' | 'kwargs' | 'varargs'): number | undefined =>
    extras[name] && !names.includes(name) ? inner.symbols.declare(name).index : undefined
  const extraSlots = { caller: special('caller'), kwargs: special('kwargs'), varargs: special('varargs') }
  analyze(inner.symbols, macro.body)
  const defaults = macro.parameters.map((parameter) =>
    parameter.default ? compileExpression(parameter.default, inner) : undefined,
  )
  const enterFrame = compileEntry(inner)
  const body = compileBody(macro.body, inner)
  const attributes: ReadonlyMap<string, Value> = new Map<string, Value>([
    ['name', macro.name],
    ['arguments', new PyTuple(names)],
    ['catch_kwargs', extras.kwargs],
    ['catch_varargs', extras.varargs],
    ['caller', extras.caller],
  ])

  return (outer) =>
    new PyFunction(
      macro.name,
      (positional, named) => {
        const own: Activation = { slots: [], parent: outer, render: outer.render }
        const given = bindMacro(macro.name, names, extras, positional, named)
        given.arguments.forEach((value, index) => void (own.slots[slots[index] ?? 0] = value))
        if (extraSlots.caller !== undefined) own.slots[extraSlots.caller] = given.caller
        if (extraSlots.kwargs !== undefined) own.slots[extraSlots.kwargs] = given.kwargs
        if (extraSlots.varargs !== undefined) own.slots[extraSlots.varargs] = given.varargs
        // Whether the result is Markup is decided where the macro is called.
        const isMarkup = renderState.autoescape
        enter()
        enterFrame(own)
        fillDefaults(own, names, slots, defaults)
        const output = new Output(false)
        body(own, output)
        leave()
        return isMarkup ? asMarkup(output.finish()) : output.finish()
      },
      attributes,
      `<Macro '${macro.name}'>`,
    )
}

function fillDefaults(
  own: Activation,
  names: readonly string[],
  slots: readonly number[],
  defaults: readonly (Evaluate | undefined)[],
): void {
  names.forEach((name, index) => {
    const slot = slots[index] ?? 0
    if (own.slots[slot] !== undefined) return
    own.slots[slot] = orElse(defaults[index]?.(own), new Undefined(`parameter '${name}' was not provided`))
  })
}

function bindMacro(
  name: string,
  parameters: readonly string[],
  extras: Extras,
  positional: readonly Value[],
  named: Named,
): { arguments: (Value | undefined)[]; caller: Value; kwargs: Value; varargs: Value } {
  const rest = new Map(named)
  const bound = parameters.map((parameter, index) => {
    if (index < positional.length) return positional[index]
    const value = rest.get(parameter)
    rest.delete(parameter)
    return value
  })
  let caller: Value = new Undefined('No caller defined')
  if (extras.caller && !parameters.includes('caller')) {
    caller = rest.get('caller') ?? caller
    rest.delete('caller')
  }
  const [unknown] = rest.keys()
  if (!extras.kwargs && unknown !== undefined) {
    throw new Fault('TypeError', `macro '${name}' takes no keyword argument '${unknown}'`)
  }
  if (!extras.varargs && positional.length > parameters.length) {
    throw new Fault('TypeError', `macro '${name}' takes not more than ${parameters.length} argument(s)`)
  }
  return {
    arguments: bound,
    caller,
    kwargs: makeDict(rest),
    varargs: new PyTuple(positional.slice(parameters.length)),
  }
}
