import { namesIn } from './scope.ts'
import type { Expression, Parameter, Statement, Target } from '../parse/syntax.ts'

/**
 * Which of some special names (`loop`, `caller`, `self`, …) statements read without having assigned them: then a
 * loop, a macro or a template makes them. jinja2's find_undeclared, which goes through the tree in the order of the text.
 */
export function findUndeclared(
  statements: readonly Statement[],
  names: readonly string[],
): ReadonlySet<string> {
  const wanted = new Set(names)
  const undeclared = new Set<string>()
  const read = (expression: Expression | undefined): void => {
    if (expression === undefined) return
    for (const name of namesIn(expression)) if (wanted.has(name)) undeclared.add(name)
  }
  const assign = (target: Target): void => {
    if (target.kind === 'name') wanted.delete(target.name)
    else if (target.kind === 'target-tuple') for (const item of target.items) assign(item)
  }
  const declare = (parameters: readonly Parameter[]): void => {
    for (const { name } of parameters) wanted.delete(name.name)
    for (const parameter of parameters) read(parameter.default)
  }
  const visitAll = (body: readonly Statement[]): void => {
    for (const statement of body) visit(statement)
  }
  const visit = (statement: Statement): void => {
    switch (statement.kind) {
      case 'output':
        return read(statement.value)
      case 'set':
        assign(statement.target)
        return read(statement.value)
      case 'set-block':
        assign(statement.target)
        read(statement.filter)
        return visitAll(statement.body)
      case 'if':
        for (const { test, body } of statement.branches) {
          read(test)
          visitAll(body)
        }
        return visitAll(statement.otherwise)
      case 'for':
        assign(statement.target)
        read(statement.iterable)
        visitAll(statement.body)
        visitAll(statement.otherwise)
        return read(statement.test)
      case 'macro':
        declare(statement.parameters)
        return visitAll(statement.body)
      case 'call-block':
        read(statement.call)
        declare(statement.caller.parameters)
        return visitAll(statement.caller.body)
      case 'filter-block':
        visitAll(statement.body)
        return read(statement.filter)
      case 'with':
        for (const [target] of statement.bindings) assign(target)
        for (const [, value] of statement.bindings) read(value)
        return visitAll(statement.body)
      case 'autoescape':
        read(statement.value)
        return visitAll(statement.body)
      case 'load':
        return read(statement.template)
      case 'generation':
        return visitAll(statement.body)
      case 'block':
      case 'data':
      case 'break':
      case 'continue':
    }
  }
  visitAll(statements)
  return undeclared
}

/** The bodies that a statement has, those of its parts included. */
function bodiesOf(statement: Statement): readonly (readonly Statement[])[] {
  switch (statement.kind) {
    case 'if':
      return [...statement.branches.map(({ body }) => body), statement.otherwise]
    case 'for':
      return [statement.body, statement.otherwise]
    case 'call-block':
      return [statement.caller.body]
    case 'set-block':
    case 'macro':
    case 'filter-block':
    case 'with':
    case 'autoescape':
    case 'generation':
    case 'block':
      return [statement.body]
    default:
      return []
  }
}

/** All blocks of statements, the inner ones, too. */
export function findBlocks(statements: readonly Statement[]): (Statement & { kind: 'block' })[] {
  return statements.flatMap((statement) => [
    ...(statement.kind === 'block' ? [statement] : []),
    ...bodiesOf(statement).flatMap(findBlocks),
  ])
}
