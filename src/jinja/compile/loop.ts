import { syntaxError } from '../fault.ts'
import { compileExpression, type Frame } from './expression.ts'
import { compileBody, compileEntry, compileTarget, innerFrame, type Execute } from './statement.ts'
import { loopItems, LoopState } from './loop-state.ts'
import { enter, leave } from '../meter.ts'
import { renderState } from '../render-state.ts'
import { Output, type Activation } from './runtime.ts'
import { analyze, analyzeExpression, analyzeTarget, Unit } from './scope.ts'
import { asMarkup } from '../types/text.ts'
import { findBlocks, findUndeclared } from './undeclared.ts'
import { truth } from '../types/iteration.ts'
import { type Value } from '../types/values.ts'
import type { For, Target } from '../parse/syntax.ts'

type Rounds = (
  activation: Activation,
  output: Output,
  iterable: Value,
  depth: number,
  recurse?: (iterable: Value) => Value,
) => void

/** Compiles a for loop. */
export function compileLoop(statement: For, frame: Frame): Execute {
  rejectLoopTarget(statement.target, frame.source)
  const iterable = compileExpression(statement.iterable, frame)
  const { position } = statement.iterable
  if (!statement.recursive) {
    const rounds = compileRounds(statement, frame, frame)
    return (activation, output) => {
      const items = iterable(activation)
      activation.render.position = position
      rounds(activation, output, items, 0)
      return undefined
    }
  }
  // A recursive loop is a function that calls itself through `loop(…)`.
  const rounds = compileRounds(statement, frame, { ...frame, unit: new Unit(frame.unit) })
  const escapes = (): boolean => (frame.isVolatile ? renderState.autoescape : frame.autoescape)
  return (activation, output) => {
    const run = (items: Value, depth: number): Value => {
      enter()
      const buffer = new Output(false)
      const own: Activation = { slots: [], parent: activation, render: activation.render }
      rounds(own, buffer, items, depth, (children) => run(children, depth + 1))
      leave()
      return escapes() ? asMarkup(buffer.finish()) : buffer.finish()
    }
    const items = iterable(activation)
    activation.render.position = position
    output.write(run(items, 0))
    return undefined
  }
}

function rejectLoopTarget(target: Target, source: string): void {
  if (target.kind === 'target-tuple') for (const item of target.items) rejectLoopTarget(item, source)
  else if (target.name === 'loop')
    throw syntaxError(source, target.position, "an assignment to the special variable 'loop'")
}

function compileRounds(statement: For, outer: Frame, holder: Frame): Rounds {
  const inner: Frame = { ...innerFrame(outer, holder.unit), isInLoop: true }
  const usesLoop =
    statement.recursive ||
    findUndeclared(statement.body, ['loop']).has('loop') ||
    findBlocks(statement.body).some(({ scoped }) => scoped)
  const loopSlot = usesLoop ? inner.symbols.declare('loop') : undefined
  analyzeTarget(inner.symbols, statement.target, true)
  analyze(inner.symbols, statement.body)
  const assign = compileTarget(statement.target, inner)
  const enterFrame = compileEntry(inner)
  const body = compileBody(statement.body, inner)
  const test = compileTest(statement, outer, holder)
  const otherwise = compileElse(statement, outer, holder)

  return (activation, output, iterable, depth, recurse) => {
    const items = loopItems(iterable, test && ((item) => test(activation, item)))
    const state = loopSlot && new LoopState(items, depth, recurse)
    const loop = state?.value
    let isEmpty = true
    for (;;) {
      const item = state ? state.advance() : items.next()
      if (item === undefined) break
      assign(activation, item)
      if (loopSlot) activation.slots[loopSlot.index] = loop
      enterFrame(activation)
      const signal = body(activation, output)
      if (signal === 'break') break
      // jinja2 notes that a round ran at the end of its body, so one that `continue` left does not count.
      if (signal === undefined) isEmpty = false
    }
    if (isEmpty) otherwise?.(activation, output)
  }
}

function compileTest(
  { target, test }: For,
  outer: Frame,
  holder: Frame,
): ((activation: Activation, item: Value) => boolean) | undefined {
  if (test === undefined) return undefined
  // A function of its own: looking ahead must not touch the variables of the round that runs.
  const inner = innerFrame(outer, new Unit(holder.unit))
  analyzeTarget(inner.symbols, target, true)
  analyzeExpression(inner.symbols, test)
  const assign = compileTarget(target, inner)
  const enterFrame = compileEntry(inner)
  const evaluate = compileExpression(test, inner)
  return (activation, item) => {
    const own: Activation = { slots: [], parent: activation, render: activation.render }
    assign(own, item)
    enterFrame(own)
    return truth(evaluate(own))
  }
}

function compileElse({ otherwise }: For, outer: Frame, holder: Frame): Execute | undefined {
  if (otherwise.length === 0) return undefined
  const inner = innerFrame(outer, holder.unit)
  analyze(inner.symbols, otherwise)
  const enterFrame = compileEntry(inner)
  const body = compileBody(otherwise, inner)
  return (activation, output) => {
    enterFrame(activation)
    return body(activation, output)
  }
}
