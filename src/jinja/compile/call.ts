import { getAttribute } from '../types/access.ts'
import { compileExpression, type Evaluate, type Frame } from './expression.ts'
import { Fault, syntaxError } from '../fault.ts'
import { callFilter, hasFilter, runTest } from '../filters/index.ts'
import { iterate } from '../types/iteration.ts'
import { spendSteps } from '../meter.ts'
import { callValue, type Activation } from './runtime.ts'
import { callStringMethod, hasStringMethod, stringMethodNames } from '../types/string-methods.ts'
import { hasTest } from '../filters/tests.ts'
import {
  bare,
  isStr,
  noNamed,
  PyDict,
  typeName,
  Undefined,
  undefinedFault,
  type Named,
  type Value,
} from '../types/values.ts'
import type { Arguments, Expression, FilterExpression } from '../parse/syntax.ts'

const pythonKeywords: ReadonlySet<string> = new Set(
  'False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield'.split(
    ' ',
  ),
)

/** Python compiles no call with an argument twice, unless jinja2 must pass the names in a dictionary. */
function rejectRepeated({ named }: Arguments, frame: Frame): void {
  const names = named.map(([name]) => name)
  if (new Set(names).size === names.length || names.some((name) => pythonKeywords.has(name))) return
  const [, value] = named.at(-1) ?? []
  throw syntaxError(frame.source, value?.position ?? 0, 'a named argument twice')
}

/** Evaluates arguments in Python's order. */
export function compileArguments(
  given: Arguments,
  frame: Frame,
): (activation: Activation) => [Value[], Named] {
  rejectRepeated(given, frame)
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

/** Compiles a call; one of a string's methods needs no bound method. */
export function compileCall(callee: Expression, given: Arguments, position: number, frame: Frame): Evaluate {
  const readArguments = compileArguments(given, frame)
  if (callee.kind === 'attribute') {
    const object = compileExpression(callee.object, frame)
    const { name } = callee
    const isStringMethod = stringMethodNames.has(name)
    return (activation) => {
      const value = object(activation)
      if (isStringMethod && isStr(value) && hasStringMethod(value, name)) {
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

/** Compiles a test. */
export function compileTest(expression: Expression & { kind: 'test' }, frame: Frame): Evaluate {
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
