import type { Arguments, Expression, Parameter, Statement } from './syntax.ts'

const present = (parts: readonly (Expression | undefined)[]): Expression[] =>
  parts.filter((part) => part !== undefined)

function argumentsOf({ positional, named, spread, spreadNamed }: Arguments): Expression[] {
  return [...positional, ...named.map(([, value]) => value), ...present([spread, spreadNamed])]
}

/** The expressions that stand directly in one. */
function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'constant':
    case 'name':
      return []
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
      return present([expression.start, expression.stop, expression.step])
    case 'call':
      return [expression.callee, ...argumentsOf(expression.arguments)]
    case 'filter':
    case 'test':
      return [...present([expression.target]), ...argumentsOf(expression.arguments)]
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
      return present([expression.test, expression.whenTrue, expression.otherwise])
  }
}

/** The names that an expression reads. */
export function* namesIn(expression: Expression): Generator<string> {
  if (expression.kind === 'name') yield expression.name
  for (const part of partsOf(expression)) yield* namesIn(part)
}

const defaultsOf = (parameters: readonly Parameter[]): Expression[] =>
  present(parameters.map((parameter) => parameter.default))

/** The expressions that stand directly in a statement, outside of its bodies. */
function expressionsOf(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case 'output':
    case 'set':
      return [statement.value]
    case 'set-block':
    case 'filter-block':
      return present([statement.filter])
    case 'if':
      return statement.branches.map(({ test }) => test)
    case 'for':
      return present([statement.iterable, statement.test])
    case 'macro':
      return defaultsOf(statement.parameters)
    case 'call-block':
      return [statement.call, ...defaultsOf(statement.caller.parameters)]
    default:
      return []
  }
}

function bodiesOf(statement: Statement): readonly (readonly Statement[])[] {
  if (statement.kind === 'if') return [...statement.branches.map(({ body }) => body), statement.otherwise]
  if (statement.kind === 'for') return [statement.body, statement.otherwise]
  if (statement.kind === 'call-block') return [statement.caller.body]
  return 'body' in statement ? [statement.body] : []
}

/** Whether statements read a name anywhere: a loop makes `loop`, and a macro `caller`, only for who asks for it. */
export function mentions(statements: readonly Statement[], name: string): boolean {
  return statements.some(
    (statement) =>
      expressionsOf(statement).some((expression) => [...namesIn(expression)].includes(name)) ||
      bodiesOf(statement).some((body) => mentions(body, name)),
  )
}
