import { Fault, syntaxError } from '../fault.ts'
import { leftOutForm } from '../left-out.ts'
import { enter, leave, spendSteps } from '../meter.ts'
import type { Macro, Parameter } from '../parse/syntax.ts'
import { mentions } from '../parse/walk.ts'
import { orElse, PyFunction, Undefined } from '../types/values.ts'
import { compileBody, compileEntry, compileExpression, innerFrame, type Frame } from './frame.ts'
import { activate, Output, type Activation } from './runtime.ts'
import { analyze, analyzeExpression, Unit } from './scope.ts'

/** Compiles a macro, or the body of a call block, into what makes the function at run time. */
export function compileMacro(macro: Macro, frame: Frame): (activation: Activation) => PyFunction {
  const inner = innerFrame(frame, new Unit(frame.unit))
  const { symbols } = inner
  const parameters = macro.parameters.map(({ name }) => ({
    name: name.name,
    register: symbols.declare(name.name).index,
    missing: new Undefined(`parameter '${name.name}' was not provided`),
  }))
  for (const parameter of macro.parameters)
    if (parameter.default) analyzeExpression(symbols, parameter.default)
  rejectSpecialNames(macro, frame)
  const takesCaller = mentions(macro.body, 'caller') && !macro.parameters.some(isCaller)
  const caller = takesCaller ? symbols.declare('caller').index : undefined
  analyze(symbols, macro.body)
  const defaults = macro.parameters.map((parameter) =>
    parameter.default ? compileExpression(parameter.default, inner) : undefined,
  )
  const enterFrame = compileEntry(inner)
  const body = compileBody(macro.body, inner)

  return (outer) =>
    new PyFunction(macro.name, (positional, named) => {
      const own = activate(outer)
      const rest = new Map(named)
      parameters.forEach(({ name, register }, index) => {
        own.registers[register] = index < positional.length ? positional[index] : rest.get(name)
        if (index >= positional.length) rest.delete(name)
      })
      if (caller !== undefined) {
        own.registers[caller] = orElse(rest.get('caller'), new Undefined('No caller defined'))
        rest.delete('caller')
      }
      const [unknown] = rest.keys()
      if (unknown !== undefined)
        throw new Fault('TypeError', `macro '${macro.name}' takes no keyword argument '${unknown}'`)
      if (positional.length > parameters.length)
        throw new Fault(
          'TypeError',
          `macro '${macro.name}' takes not more than ${parameters.length} argument(s)`,
        )
      enter()
      // Besides the call: its registers and its own output.
      spendSteps(1)
      enterFrame(own)
      parameters.forEach(({ register, missing }, index) => {
        if (own.registers[register] === undefined)
          own.registers[register] = orElse(defaults[index]?.(own), missing)
      })
      const output = new Output(false)
      body(own, output)
      leave()
      return output.finish()
    })
}

const isCaller = ({ name }: Parameter): boolean => name.name === 'caller'

function rejectSpecialNames({ body, parameters, position }: Macro, { source }: Frame): void {
  const explicit = parameters.find(isCaller)
  // A caller among the parameters is filled as one, so it must be optional.
  if (explicit !== undefined && explicit.default === undefined && mentions(body, 'caller'))
    throw syntaxError(source, position, {
      found: 'a parameter that is named caller, without a default',
      expected: 'caller with a default, or under another name',
    })
  for (const name of ['varargs', 'kwargs'])
    if (mentions(body, name) && !parameters.some((parameter) => parameter.name.name === name))
      throw syntaxError(source, position, leftOutForm('a macro of any number of arguments'))
}
