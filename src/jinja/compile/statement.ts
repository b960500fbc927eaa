import { Fault, syntaxError } from '../fault.ts'
import type { CallBlock, If, Statement } from '../parse/syntax.ts'
import { truth } from '../types/iteration.ts'
import type { Str } from '../types/text.ts'
import type { Value } from '../types/values.ts'
import { compileArguments, compileFilter } from './call.ts'
import {
  compileBody,
  compileEntry,
  compileExpression,
  innerFrame,
  type Evaluate,
  type Execute,
  type Frame,
} from './frame.ts'
import { compileLoop } from './loop.ts'
import { compileMacro } from './macro.ts'
import { activate, callValue, Output, type Activation } from './runtime.ts'
import { analyze, Unit } from './scope.ts'
import { compileTarget } from './target.ts'

/** Compiles the statements of a template; loops that stand in nothing but `if` know what is done behind them. */
export function compileTop(
  statements: readonly Statement[],
  frame: Frame,
  behind: Execute = () => undefined,
): Execute {
  const runFrom = (first: number): Execute => {
    return (activation, output) => {
      for (let i = first; i < steps.length; i += 1) steps[i]?.(activation, output)
      return undefined
    }
  }
  const steps = statements.map((statement, i): Execute => {
    if (statement.kind !== 'for' && statement.kind !== 'if') return compileStatement(statement, frame)
    const rest = runFrom(i + 1)
    const goOn: Execute = (activation, output) => {
      rest(activation, output)
      return behind(activation, output)
    }
    return statement.kind === 'for'
      ? compileLoop(statement, frame, goOn)
      : compileIf(statement, frame, (body, soft) => compileTop(body, soft, goOn))
  })
  return runFrom(0)
}

/** Compiles statements, which run one after the other up to a loop control. */
export function compileStatements(statements: readonly Statement[], frame: Frame): Execute {
  const steps = statements.map((statement) => compileStatement(statement, frame))
  const [only] = steps
  if (only !== undefined && steps.length === 1) return only
  return (activation, output) => {
    for (const step of steps) {
      const signal = step(activation, output)
      if (signal !== undefined) return signal
    }
    return undefined
  }
}

function compileStatement(statement: Statement, frame: Frame): Execute {
  const { position } = statement
  switch (statement.kind) {
    case 'data': {
      const { text } = statement
      return (_, output) => void output.builder.push(text, undefined)
    }
    case 'output': {
      const evaluate = compileExpression(statement.value, frame)
      return (activation, output) => {
        const value = evaluate(activation)
        activation.render.position = position
        output.write(value)
        return undefined
      }
    }
    case 'set': {
      const evaluate = compileExpression(statement.value, frame)
      const assign = compileTarget(statement.target, frame)
      return (activation) => void assign(activation, evaluate(activation))
    }
    case 'if':
      return compileIf(statement, frame)
    case 'for':
      return compileLoop(statement, frame)
    case 'macro': {
      const make = compileMacro(statement, frame)
      const assign = compileTarget({ kind: 'name', name: statement.name, position }, frame)
      return (activation) => void assign(activation, make(activation))
    }
    case 'break':
    case 'continue': {
      const { kind } = statement
      if (!frame.isInLoop) throw syntaxError(frame.source, position, { found: `'${kind}' outside a loop` })
      return () => kind
    }
    case 'generation':
      return compileGeneration(statement.body, frame)
    case 'set-block': {
      const { target, filter, body } = statement
      const assign = compileTarget(target, frame)
      return compileCaptured(body, frame, (inner) => {
        const finish = filter && compileFiltered((input) => compileFilter(filter, inner, input))
        return (activation, text) => assign(activation, finish ? finish(activation, text) : text)
      })
    }
    case 'filter-block': {
      const { filter, body } = statement
      return compileCaptured(body, frame, (inner) => {
        const finish = compileFiltered((input) => compileFilter(filter, inner, input))
        return (activation, text, output) => output.writeStr(finish(activation, text))
      })
    }
    case 'call-block':
      return compileCallBlock(statement, frame)
  }
}

function compileIf({ branches, otherwise }: If, frame: Frame, compile = compileBody): Execute {
  const soft = { ...frame, isSoft: true }
  const compiled = branches.map(({ test, body }) => ({
    test: compileExpression(test, soft),
    body: compile(body, soft),
  }))
  const last = compile(otherwise, soft)
  return (activation, output) => {
    for (const { test, body } of compiled) if (truth(test(activation))) return body(activation, output)
    return last(activation, output)
  }
}

/** Runs a filter chain over captured text. */
function compileFiltered(make: (input: Evaluate) => Evaluate): (activation: Activation, text: Str) => Value {
  let captured: Value = ''
  const evaluate = make(() => captured)
  return (activation, text) => {
    captured = text
    return evaluate(activation)
  }
}

/** Runs a body into a buffer of its own and hands the text on. */
function compileCaptured(
  body: readonly Statement[],
  frame: Frame,
  use: (inner: Frame) => (activation: Activation, text: Str, output: Output) => void,
): Execute {
  const inner = innerFrame(frame)
  analyze(inner.symbols, body)
  const enterFrame = compileEntry(inner)
  const execute = compileBody(body, inner)
  const finish = use(inner)
  return (activation, output) => {
    enterFrame(activation)
    const buffer = new Output(false)
    const signal = execute(activation, buffer)
    if (signal === undefined) finish(activation, buffer.finish(), output)
    return signal
  }
}

// transformers makes a call block of it: what is set inside stays inside, and no loop control leaves it.
function compileGeneration(body: readonly Statement[], frame: Frame): Execute {
  const inner = innerFrame(frame, new Unit(frame.unit))
  analyze(inner.symbols, body)
  const enterFrame = compileEntry(inner)
  const execute = compileBody(body, inner)
  return (activation, output) => {
    const own = activate(activation)
    enterFrame(own)
    const buffer = new Output(false)
    execute(own, buffer)
    output.writeGenerated(buffer.finish())
    return undefined
  }
}

function compileCallBlock({ call, caller }: CallBlock, frame: Frame): Execute {
  const makeCaller = compileMacro(caller, frame)
  const callee = compileExpression(call.callee, frame)
  const readArguments = compileArguments(call.arguments, frame)
  const { position } = call
  return (activation, output) => {
    const callerValue = makeCaller(activation)
    const value = callee(activation)
    const [positional, named] = readArguments(activation)
    activation.render.position = position
    if (named.has('caller')) throw new Fault('TypeError', "got multiple values for keyword argument 'caller'")
    output.writeStr(callValue(value, positional, new Map([...named, ['caller', callerValue]])))
    return undefined
  }
}
