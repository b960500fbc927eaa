import { Fault, syntaxError } from '../fault.ts'
import { compileArguments, compileFilter } from './call.ts'
import { compileExpression, compileRead, type Evaluate, type Frame } from './expression.ts'
import { foldVisible } from './constant.ts'
import { compileAutoescape, compileBlock, compileLoad } from './block.ts'
import { compileLoop } from './loop.ts'
import { compileMacro } from './macro.ts'
import { checkNamespaceName } from '../filters/globals.ts'
import { callValue, markGenerated, Output, type Activation } from './runtime.ts'
import { analyze, analyzeTarget, Symbols, Unit } from './scope.ts'
import { asMarkup, plain, type Str } from '../types/text.ts'
import { escapeValue } from '../types/markup.ts'
import { renderState } from '../render-state.ts'
import { softText } from '../filters/shared.ts'
import { iterate, truth } from '../types/iteration.ts'
import { bare, Namespace, type Value } from '../types/values.ts'
import type { If, Statement, Target } from '../parse/syntax.ts'

/** How a statement ends: a loop control leaves all statements up to its loop. */
type Signal = 'break' | 'continue' | undefined

/** A compiled statement. */
export type Execute = (activation: Activation, output: Output) => Signal

/** Compiles the body of a frame whose symbols are already known. */
export function compileBody(statements: readonly Statement[], frame: Frame): Execute {
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

/** A frame inside another, with variables of its own. */
export function innerFrame(frame: Frame, unit = frame.unit): Frame {
  return { ...frame, unit, symbols: new Symbols(unit, frame.symbols), isSoft: false, isOutermost: false }
}

/** Compiles what fills a frame's variables when it is entered. */
export function compileEntry({ symbols, unit }: Frame): (activation: Activation) => void {
  const steps = [...symbols.loads].flatMap(([slot, load]): ((activation: Activation) => void)[] => {
    const { index } = slot
    if (load.kind === 'undefined') return [(activation) => void (activation.slots[index] = undefined)]
    if (load.kind === 'resolve') {
      const { name } = load
      return [(activation) => void (activation.slots[index] = activation.render.resolve(name))]
    }
    if (load.kind === 'parameter') return []
    const read = compileRead(load.slot, unit)
    return [(activation) => void (activation.slots[index] = read(activation))]
  })
  return (activation) => {
    for (const step of steps) step(activation)
  }
}

/** Compiles an assignment to a target. */
export function compileTarget(target: Target, frame: Frame): (activation: Activation, value: Value) => void {
  if (target.kind === 'name') {
    const slot = frame.symbols.find(target.name)
    if (slot === undefined || slot.unit !== frame.unit) {
      throw syntaxError(frame.source, target.position, `an assignment to '${target.name}' that has no place`)
    }
    const { index } = slot
    if (!frame.isOutermost) return (activation, value) => void (activation.slots[index] = value)
    // What the outermost level assigns is what the blocks see.
    return (activation, value) => {
      activation.slots[index] = value
      activation.render.exported?.set(target.name, value)
    }
  }
  if (target.kind === 'target-attribute') {
    const read = compileExpression({ kind: 'name', name: target.name, position: target.position }, frame)
    const { attribute, position } = target
    return (activation, value) => {
      const namespace = bare(read(activation))
      activation.render.position = position
      if (!(namespace instanceof Namespace)) {
        throw new Fault('TemplateError', 'cannot assign attribute on non-namespace object')
      }
      checkNamespaceName(attribute)
      namespace.attributes.set(attribute, value)
    }
  }
  const parts = target.items.map((item) => compileTarget(item, frame))
  const { position } = target
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

function compileStatement(statement: Statement, frame: Frame): Execute {
  const { position } = statement
  switch (statement.kind) {
    case 'data': {
      const { text } = statement
      return (_, output) => void output.builder.push(text, undefined)
    }
    case 'output':
      return compileOutput(statement, frame)
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
      if (!frame.isInLoop) throw syntaxError(frame.source, position, `'${kind}' outside a loop`)
      return () => kind
    }
    case 'generation':
      return compileGeneration(statement.body, frame)
    case 'set-block': {
      const { target, filter, body } = statement
      const assign = compileTarget(target, frame)
      return compileCaptured(body, frame, (inner) => {
        const finish = finishWith(filter && ((input) => compileFilter(filter, inner, input)))
        return (activation, text) => {
          const value = finish(activation, filter ? captured(text, frame) : text)
          assign(activation, renderState.autoescape ? asMarkup(softText(value)) : value)
        }
      })
    }
    case 'filter-block': {
      const { filter, body } = statement
      return compileCaptured(body, frame, (inner) => {
        const finish = finishWith((input) => compileFilter(filter, inner, input))
        return (activation, text, output) => output.writeStr(finish(activation, captured(text, frame)))
      })
    }
    case 'with':
      return compileWith(statement, frame)
    case 'call-block':
      return compileCallBlock(statement, frame)
    case 'block':
      return compileBlock(statement, frame)
    case 'autoescape':
      return compileAutoescape(statement, frame)
    case 'load':
      return compileLoad(statement, frame)
  }
}

function compileOutput(
  { value: expression, position }: Statement & { kind: 'output' },
  frame: Frame,
): Execute {
  const { autoescape, isVolatile } = frame
  // jinja2 writes constants while it compiles, by what it knows of escaping then.
  const constant = foldVisible(expression, frame, true)
  const evaluate = constant === undefined ? compileExpression(expression, frame) : () => constant
  const isLate = isVolatile && constant === undefined
  const print = (value: Value): Value =>
    (isLate ? renderState.autoescape : autoescape) ? escapeValue(value) : value
  const show = autoescape || isVolatile ? print : (value: Value): Value => value
  return (activation, output) => {
    const value = evaluate(activation)
    activation.render.position = position
    output.write(show(value))
    return undefined
  }
}

function compileIf({ branches, otherwise }: If, frame: Frame): Execute {
  const soft = { ...frame, isSoft: true }
  const compiled = branches.map(({ test, body }) => ({
    test: compileExpression(test, soft),
    body: compileBody(body, soft),
  }))
  const last = compileBody(otherwise, soft)
  return (activation, output) => {
    for (const { test, body } of compiled) if (truth(test(activation))) return body(activation, output)
    return last(activation, output)
  }
}

/** What a block's filter is given: Markup where the block escapes. */
function captured(text: Str, { autoescape, isVolatile }: Frame): Str {
  return (isVolatile ? renderState.autoescape : autoescape) ? asMarkup(text) : text
}

/** Runs a filter chain over captured text. */
function finishWith(
  make: ((input: Evaluate) => Evaluate) | undefined,
): (activation: Activation, text: Str) => Value {
  if (make === undefined) return (_, text) => text
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
  const inner: Frame = { ...innerFrame(frame, new Unit(frame.unit)), isInLoop: false }
  analyze(inner.symbols, body)
  const enterFrame = compileEntry(inner)
  const execute = compileBody(body, inner)
  return (activation, output) => {
    const own: Activation = { slots: [], parent: activation, render: activation.render }
    enterFrame(own)
    const buffer = new Output(false)
    execute(own, buffer)
    const text = buffer.finish()
    const start = output.builder.length
    if (output.generationSpans === undefined) output.write(markGenerated(text))
    else {
      output.write(text)
      output.generationSpans.push({ start, end: start + plain(text).length })
    }
    return undefined
  }
}

function compileWith({ bindings, body }: Statement & { kind: 'with' }, frame: Frame): Execute {
  const inner = innerFrame(frame)
  for (const [target] of bindings) analyzeTarget(inner.symbols, target, false)
  analyze(inner.symbols, body)
  const enterFrame = compileEntry(inner)
  const assignments = bindings.map(([target, value]) => ({
    evaluate: compileExpression(value, frame),
    assign: compileTarget(target, inner),
  }))
  const execute = compileBody(body, inner)
  return (activation, output) => {
    enterFrame(activation)
    for (const { evaluate, assign } of assignments) assign(activation, evaluate(activation))
    return execute(activation, output)
  }
}

function compileCallBlock({ call, caller }: Statement & { kind: 'call-block' }, frame: Frame): Execute {
  if (call.kind !== 'call') throw syntaxError(frame.source, call.position, 'a call block without a call')
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
