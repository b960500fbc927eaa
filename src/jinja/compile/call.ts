import { Fault, syntaxError } from '../fault.ts'
import { failWith, readyFilters, readyTests, unknownBuiltin } from '../filters/index.ts'
import { spendSteps } from '../meter.ts'
import type { Arguments, Expression, FilterExpression } from '../parse/syntax.ts'
import { getAttribute } from '../types/access.ts'
import { iterate } from '../types/iteration.ts'
import { callStringMethod, stringMethodNames } from '../types/string-methods.ts'
import {
  bare,
  isStr,
  noNamed,
  PyDict,
  SafeText,
  typeFault,
  typeName,
  Undefined,
  type Named,
  type Value,
} from '../types/values.ts'
import { compileExpression, type Evaluate, type Frame } from './frame.ts'
import { callValue, type Activation } from './runtime.ts'

/** Evaluates arguments in Python's order. */
export function compileArguments(
  given: Arguments,
  frame: Frame,
): (activation: Activation) => [Value[], Named] {
  const compile = (value: Expression): Evaluate => compileExpression(value, frame)
  const positional = given.positional.map(compile)
  const named = given.named.map(([name, value]) => [name, compile(value)] as const)
  const spread = given.spread && compile(given.spread)
  const spreadNamed = given.spreadNamed && compile(given.spreadNamed)
  if (named.length === 0 && !spread && !spreadNamed)
    return (activation) => [positional.map((value) => value(activation)), noNamed]
  return (activation) => {
    const values = positional.map((value) => value(activation))
    if (spread) values.push(...iterate(spread(activation)))
    const names = new Map<string, Value>()
    for (const [name, value] of named) names.set(name, value(activation))
    if (spreadNamed) spreadInto(names, spreadNamed(activation))
    return [values, names]
  }
}

function spreadInto(names: Map<string, Value>, given: Value): void {
  if (!(given instanceof PyDict))
    throw typeFault(given, `argument after ** must be a mapping, not ${typeName(given)}`)
  for (const [key, value] of given.entries) {
    if (typeof key !== 'string') throw new Fault('TypeError', 'keywords must be strings')
    if (names.has(key)) throw new Fault('TypeError', `got multiple values for keyword argument '${key}'`)
    names.set(key, value)
  }
}

/** Compiles a call; one of a string's methods needs no bound method. */
export function compileCall(expression: Expression & { kind: 'call' }, frame: Frame): Evaluate {
  const { callee, position } = expression
  const readArguments = compileArguments(expression.arguments, frame)
  const call = (activation: Activation, value: Value): Value => {
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    spendSteps(1)
    return callValue(value, positional, named)
  }
  if (callee.kind !== 'attribute') {
    const evaluate = compileExpression(callee, frame)
    return (activation) => call(activation, evaluate(activation))
  }
  const object = compileExpression(callee.object, frame)
  const { name } = callee
  const isStringMethod = stringMethodNames.has(name)
  return (activation) => {
    const value = object(activation)
    activation.render.position = position
    if (!isStringMethod || !isStr(value)) return call(activation, getAttribute(value, name))
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    spendSteps(1)
    return callStringMethod(value, name, positional, named)
  }
}

/** Compiles a filter; in a filter block `input` stands for the block's text. */
export function compileFilter(expression: FilterExpression, frame: Frame, input?: Evaluate): Evaluate {
  const { name, position } = expression
  const filter = readyFilters.get(name)
  if (filter === undefined && !frame.isSoft)
    throw syntaxError(frame.source, position, unknownBuiltin('filter', name))
  const target =
    expression.target?.kind === 'filter'
      ? compileFilter(expression.target, frame, input)
      : expression.target === undefined
        ? input
        : compileExpression(expression.target, frame)
  if (target === undefined) throw syntaxError(frame.source, position, { found: 'a filter without a value' })
  const readArguments = compileArguments(expression.arguments, frame)
  return (activation) => {
    const value = target(activation)
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    return filter === undefined ? failWith('filter', name) : filter(value, positional, named)
  }
}

/** Compiles a test; those that templates ask most need no arguments read. */
export function compileTest(expression: Expression & { kind: 'test' }, frame: Frame): Evaluate {
  const { name, position } = expression
  const test = readyTests.get(name)
  if (test === undefined && !frame.isSoft)
    throw syntaxError(frame.source, position, unknownBuiltin('test', name))
  const target = compileExpression(expression.target, frame)
  const readArguments = compileArguments(expression.arguments, frame)
  if (expression.arguments.positional.length === 0 && expression.arguments.named.length === 0) {
    if (name === 'defined') return (activation) => !(target(activation) instanceof Undefined)
    if (name === 'none') return (activation) => bare(target(activation)) === null
    if (name === 'string')
      return (activation) => {
        const value = target(activation)
        return isStr(value) || value instanceof SafeText
      }
  }
  return (activation) => {
    const value = target(activation)
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    return test === undefined ? failWith('test', name) : test(value, positional, named)
  }
}
