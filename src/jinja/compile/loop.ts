import { syntaxError } from '../fault.ts'
import type { For, Target } from '../parse/syntax.ts'
import { mentions } from '../parse/walk.ts'
import { GrowingList } from '../types/growing-list.ts'
import { truth } from '../types/iteration.ts'
import type { Value } from '../types/values.ts'
import {
  compileBody,
  compileEntry,
  compileExpression,
  innerFrame,
  type Execute,
  type Frame,
} from './frame.ts'
import { loopItems, LoopState } from './loop-state.ts'
import { activate, type Activation } from './runtime.ts'
import { analyze, analyzeExpression, analyzeTarget, Unit } from './scope.ts'
import { compileTarget } from './target.ts'

/**
 * Compiles a for loop.
 *
 * @param behind  for a loop that stands in no other statement: what a template does after it
 */
export function compileLoop(statement: For, frame: Frame, behind?: Execute): Execute {
  const { target, body, iterable } = statement
  rejectLoopTarget(target, frame.source)
  const inner: Frame = { ...innerFrame(frame), isInLoop: true }
  const loopRegister = mentions(body, 'loop') ? inner.symbols.declare('loop').index : undefined
  analyzeTarget(inner.symbols, target, true)
  analyze(inner.symbols, body)
  const evaluate = compileExpression(iterable, frame)
  const assign = compileTarget(target, inner)
  const enterFrame = compileEntry(inner)
  const execute = compileBody(body, inner)
  const test = compileTest(statement, frame)
  const otherwise = compileElse(statement, frame)

  return (activation, output) => {
    const given = evaluate(activation)
    activation.render.position = iterable.position
    const items = loopItems(given, test && ((item) => test(activation, item)))
    const state = loopRegister === undefined ? undefined : new LoopState(items)
    let isEmpty = true
    const { forks } = activation.render
    const list = behind && forks && !test && given instanceof GrowingList ? given : undefined
    let drawn = 0
    for (;;) {
      if (list !== undefined) {
        forks?.at(behind, list, drawn, activation, output, (own, tail) => {
          if (isEmpty) otherwise?.(own, tail)
          behind?.(own, tail)
        })
        drawn += 1
      }
      const item = state ? state.advance() : items.next()
      if (item === undefined) break
      assign(activation, item)
      if (loopRegister !== undefined) activation.registers[loopRegister] = state?.value
      enterFrame(activation)
      const signal = execute(activation, output)
      if (signal === 'break') break
      // jinja2 notes that a round ran at the end of its body, so one that `continue` left does not count.
      if (signal === undefined) isEmpty = false
    }
    if (isEmpty) otherwise?.(activation, output)
    return undefined
  }
}

function rejectLoopTarget(target: Target, source: string): void {
  if (target.kind === 'target-tuple') for (const item of target.items) rejectLoopTarget(item, source)
  else if (target.name === 'loop')
    throw syntaxError(source, target.position, { found: "an assignment to the special variable 'loop'" })
}

function compileTest(
  { target, test }: For,
  outer: Frame,
): ((activation: Activation, item: Value) => boolean) | undefined {
  if (test === undefined) return undefined
  // A function of its own: looking ahead must not touch the variables of the round that runs.
  const inner = innerFrame(outer, new Unit(outer.unit))
  analyzeTarget(inner.symbols, target, true)
  analyzeExpression(inner.symbols, test)
  const assign = compileTarget(target, inner)
  const enterFrame = compileEntry(inner)
  const evaluate = compileExpression(test, inner)
  return (activation, item) => {
    const own = activate(activation)
    assign(own, item)
    enterFrame(own)
    return truth(evaluate(own))
  }
}

function compileElse({ otherwise }: For, outer: Frame): Execute | undefined {
  if (otherwise.length === 0) return undefined
  const inner = innerFrame(outer)
  analyze(inner.symbols, otherwise)
  const enterFrame = compileEntry(inner)
  const body = compileBody(otherwise, inner)
  return (activation, output) => {
    enterFrame(activation)
    return body(activation, output)
  }
}
