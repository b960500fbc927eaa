import { Fault, syntaxError } from '../fault.ts'
import { compileExpression, compileRead, type Frame } from './expression.ts'
import { compileBody, compileEntry, innerFrame, type Execute } from './statement.ts'
import { foldConstant } from './constant.ts'
import { truth } from '../types/iteration.ts'
import { enter, leave } from '../meter.ts'
import { renderState } from '../render-state.ts'
import { Output, type Activation, type Render } from './runtime.ts'
import { analyze, Symbols, Unit } from './scope.ts'
import { asMarkup } from '../types/text.ts'
import { findBlocks, findUndeclared } from './undeclared.ts'
import { bare, isStr, PLACE, PyObjectValue, Undefined, type Value } from '../types/values.ts'
import type { Block, LoadTemplate, Statement } from '../parse/syntax.ts'

/** Runs the body of a block in a frame of its own, which sees what a render resolves. */
export type RunBlock = (render: Render, output: Output) => void

/** Compiles all blocks of a template, each as a function of its own, as jinja2 does; the places call them by name. */
export function compileBlocks(statements: readonly Statement[], frame: Frame): void {
  for (const block of findBlocks(statements)) {
    if (frame.blocks.has(block.name))
      throw syntaxError(frame.source, block.position, `the block '${block.name}' twice`)
    frame.blocks.set(block.name, compileBlockBody(block, frame))
  }
}

function compileBlockBody({ name, body }: Block, outer: Frame): RunBlock {
  const unit = new Unit()
  const frame: Frame = {
    ...outer,
    unit,
    symbols: new Symbols(unit),
    isOutermost: false,
    autoescape: false,
    isVolatile: false,
  }
  const special = findUndeclared(body, ['self', 'super'])
  const selfSlot = special.has('self') ? frame.symbols.declare('self').index : undefined
  const superSlot = special.has('super') ? frame.symbols.declare('super').index : undefined
  analyze(frame.symbols, body)
  const enterFrame = compileEntry(frame)
  const execute = compileBody(body, frame)
  return (render, output) => {
    const own: Activation = { slots: [], parent: undefined, render }
    if (selfSlot !== undefined) own.slots[selfSlot] = selfReference(frame, render)
    if (superSlot !== undefined) own.slots[superSlot] = noParent(name)
    enter()
    enterFrame(own)
    execute(own, output)
    leave()
  }
}

function noParent(name: string): Undefined {
  return new Undefined(`there is no parent block called '${name}'.`)
}

/** The variable `self`: calls blocks by their names. */
export function selfReference({ blocks }: Frame, render: Render): PyObjectValue {
  return new PyObjectValue({
    type: 'jinja2.runtime.TemplateReference',
    attribute: () => undefined,
    item(name) {
      const run = blocks.get(name)
      return run && blockReference(name, run, render)
    },
    repr: () => '<TemplateReference None>',
  })
}

function blockReference(name: string, run: RunBlock, render: Render): PyObjectValue {
  return new PyObjectValue({
    type: 'jinja2.runtime.BlockReference',
    attribute(attribute) {
      if (attribute === 'name') return name
      return attribute === 'super' ? noParent(name) : undefined
    },
    repr: () => `<jinja2.runtime.BlockReference object at ${PLACE}>`,
    call(positional, named) {
      if (positional.length > 0 || named.size > 0) throw new Fault('TypeError', 'a block takes no arguments')
      const buffer = new Output(false)
      run(render, buffer)
      return renderState.autoescape ? asMarkup(buffer.finish()) : buffer.finish()
    },
  })
}

/** Compiles the place of a block; a scoped one also sees the variables around its place. */
export function compileBlock({ name, scoped, required, position }: Block, frame: Frame): Execute {
  const { blocks } = frame
  if (required) {
    return (activation) => {
      activation.render.position = position
      throw new Fault('TemplateError', `Required block '${name}' not found`)
    }
  }
  const show = (render: Render, output: Output): void => blocks.get(name)?.(render, output)
  if (!scoped) return (activation, output) => void show(activation.render, output)
  const variables = [...frame.symbols.assigned()].map(
    ([variable, slot]) => [variable, compileRead(slot, frame.unit)] as const,
  )
  return (activation, output) => {
    const { render } = activation
    const shown = new Map<string, Value>()
    for (const [variable, read] of variables) {
      const value = read(activation)
      if (value !== undefined) shown.set(variable, value)
    }
    const derived: Render = {
      resolve: (variable) => (shown.has(variable) ? shown.get(variable) : render.resolve(variable)),
      exported: undefined,
      position: render.position,
    }
    try {
      show(derived, output)
    } finally {
      render.position = derived.position
    }
  }
}

/** Compiles `{% autoescape %}`: what is written inside is escaped, if the value is true. */
export function compileAutoescape(
  { value, body, position }: Statement & { kind: 'autoescape' },
  frame: Frame,
): Execute {
  const inner = innerFrame(frame)
  analyze(inner.symbols, [{ kind: 'output', position, value }, ...body])
  const enterFrame = compileEntry(inner)
  const constant = foldConstant(value, inner)
  const evaluate = compileExpression(value, inner)
  const execute = compileBody(body, {
    ...inner,
    autoescape: constant === undefined ? frame.autoescape : truth(constant),
    isVolatile: frame.isVolatile || constant === undefined,
  })
  return (activation, output) => {
    enterFrame(activation)
    const outer = renderState.autoescape
    renderState.autoescape = truth(evaluate(activation))
    const signal = execute(activation, output)
    // As in jinja2, a loop control that leaves the block leaves it switched.
    if (signal === undefined) renderState.autoescape = outer
    return signal
  }
}

/** Compiles what would load another template. transformers gives jinja2 no loader, so that reaching it raises. */
export function compileLoad({ tag, template, ignoreMissing, position }: LoadTemplate, frame: Frame): Execute {
  if (tag === 'extends' && !frame.isOutermost)
    throw syntaxError(frame.source, position, `'extends' inside another statement`, 'the outermost level')
  const evaluate = compileExpression(template, frame)
  return (activation) => {
    const value = bare(evaluate(activation))
    activation.render.position = position
    const isEmptyList = !isStr(value) && !(value instanceof Undefined) && !truth(value)
    // An empty list of templates is missing without a loader being asked.
    if (tag === 'include' && ignoreMissing && isEmptyList) return undefined
    throw new Fault('TypeError', 'no loader for this environment specified: a chat template stands alone')
  }
}
