import { Fault } from '../fault.ts'
import { contextFilters, hasFilter } from '../filters/index.ts'
import { renderState } from '../render-state.ts'
import { hasTest } from '../filters/tests.ts'
import {
  bare,
  isStr,
  keyValue,
  PyComplex,
  PyDict,
  PyFloat,
  PyList,
  PyRange,
  PySet,
  PyTuple,
  type Value,
} from '../types/values.ts'
import type { Arguments, Expression } from '../parse/syntax.ts'

/*
 * jinja2 computes constant expressions when it compiles. Of what this does only two things show: a slice of a constant
 * is read by a way that makes undefined of a TypeError, and `~` between constants does not escape. So only expressions
 * with one of these are computed here, and all others when they are reached.
 */

function partsOf(expression: Expression): readonly Expression[] | undefined {
  const inArguments = ({ positional, named, spread, spreadNamed }: Arguments): Expression[] => [
    ...positional,
    ...named.map(([, value]) => value),
    ...(spread ? [spread] : []),
    ...(spreadNamed ? [spreadNamed] : []),
  ]
  switch (expression.kind) {
    case 'constant':
      return []
    case 'name':
    case 'call':
      return undefined
    case 'tuple':
    case 'list':
    case 'concat':
      return expression.items
    case 'dict':
      return expression.entries.flat()
    case 'attribute':
      return [expression.object]
    case 'item':
      return [expression.object, expression.key]
    case 'slice':
      return [expression.start, expression.stop, expression.step].filter((part) => part !== undefined)
    case 'filter':
      if (
        expression.target === undefined ||
        !hasFilter(expression.name) ||
        contextFilters.has(expression.name)
      )
        return undefined
      return [expression.target, ...inArguments(expression.arguments)]
    case 'test':
      return hasTest(expression.name) ? [expression.target, ...inArguments(expression.arguments)] : undefined
    case 'not':
    case 'negative':
    case 'positive':
      return [expression.operand]
    case 'and':
    case 'or':
    case 'binary':
      return [expression.left, expression.right]
    case 'compare':
      return [expression.first, ...expression.rest.map(([, value]) => value)]
    case 'conditional':
      return expression.otherwise && [expression.test, expression.whenTrue, expression.otherwise]
  }
}

/** What an expression is made of: whether all of it is constant, and whether computing it early shows. */
interface Nature {
  constant: boolean
  slices: boolean
  concats: boolean
  filters: boolean
}

const natures = new WeakMap<Expression, Nature>()
const variable: Nature = { constant: false, slices: false, concats: false, filters: false }

function natureOf(expression: Expression): Nature {
  const known = natures.get(expression)
  if (known !== undefined) return known
  const parts = partsOf(expression)
  let nature = variable
  if (parts !== undefined) {
    const inner = parts.map(natureOf)
    nature = {
      constant: inner.every(({ constant }) => constant),
      slices: expression.kind === 'slice' || inner.some(({ slices }) => slices),
      concats: expression.kind === 'concat' || inner.some(({ concats }) => concats),
      filters:
        expression.kind === 'filter' || expression.kind === 'test' || inner.some(({ filters }) => filters),
    }
  }
  natures.set(expression, nature)
  return nature
}

/** Whether jinja2 can compute an expression early; filters and tests not where it does not know of escaping. */
export function isConstant(expression: Expression, isVolatile: boolean): boolean {
  const { constant, filters } = natureOf(expression)
  return constant && !(isVolatile && filters)
}

/** Whether an expression must be computed when the template is compiled, because that shows. */
export function foldsVisibly(
  expression: Expression,
  { autoescape, isVolatile }: { autoescape: boolean; isVolatile: boolean },
  isOutput: boolean,
): boolean {
  const { slices, concats } = natureOf(expression)
  const shows = slices || (concats && autoescape) || (isVolatile && isOutput)
  return shows && isConstant(expression, isVolatile)
}

/** Computes a constant; `undefined` where Python leaves it for the render, because it raises or cannot be written down. */
export function fold(evaluate: () => Value, autoescape: boolean, isOutput: boolean): Value | undefined {
  const outer = renderState.autoescape
  renderState.autoescape = autoescape
  try {
    const value = evaluate()
    return isOutput || hasSafeRepr(value) ? value : undefined
  } catch (error) {
    if (error instanceof Fault) return undefined
    throw error
  } finally {
    renderState.autoescape = outer
  }
}

function hasSafeRepr(given: Value): boolean {
  const value = bare(given)
  if (value instanceof PyList || value instanceof PyTuple) return value.items.every(hasSafeRepr)
  if (value instanceof PySet) return [...value.items.values()].every(hasSafeRepr)
  if (value instanceof PyDict)
    return [...value.entries].every(([key, item]) => hasSafeRepr(keyValue(value, key)) && hasSafeRepr(item))
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
  return (
    value === null ||
    isNumber ||
    isStr(value) ||
    value instanceof PyFloat ||
    value instanceof PyComplex ||
    value instanceof PyRange
  )
}
