import { operandParser } from './operand.ts'
import type { BinaryOperator, CompareOperator, Expression } from './syntax.ts'
import type { TokenStream } from './token-stream.ts'

const compareOperators: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])

function isCompareOperator(value: string): value is CompareOperator {
  return compareOperators.has(value)
}

/** Operators that group to the left, from the loosest; unlike in Python, in jinja2 a power does so, too. */
const levels: readonly (readonly BinaryOperator[] | '~')[] = [['+', '-'], '~', ['*', '/', '//', '%'], ['**']]

/** Reads expressions off a stream of tokens, by jinja2's grammar. */
export type ExpressionParser = ReturnType<typeof expressionParser>

/** Makes the parser of expressions over a stream. */
export function expressionParser(tokens: TokenStream) {
  const operands = operandParser(tokens, { expression, brackets: () => parseTuple(expression, true) })

  function expression(): Expression {
    return tokens.nested(conditional)
  }

  function conditional(): Expression {
    let whenTrue = or()
    for (let links = 0; tokens.isName('if'); links = tokens.link(links)) {
      const { position } = tokens.next()
      const test = or()
      const otherwise = tokens.skipName('else') ? tokens.nested(conditional) : undefined
      whenTrue = { kind: 'conditional', position, test, whenTrue, ...(otherwise && { otherwise }) }
    }
    return whenTrue
  }

  function or(): Expression {
    return chain('or', () => chain('and', not))
  }

  function chain(kind: 'or' | 'and', operand: () => Expression): Expression {
    let left = operand()
    for (let links = 0; tokens.isName(kind); links = tokens.link(links)) {
      const { position } = tokens.next()
      left = { kind, position, left, right: operand() }
    }
    return left
  }

  function not(): Expression {
    if (!tokens.isName('not')) return compare()
    const { position } = tokens.next()
    return { kind: 'not', position, operand: tokens.nested(not) }
  }

  function compare(): Expression {
    const { position } = tokens.current()
    const first = binary(0)
    const rest: [CompareOperator, Expression][] = []
    for (let operator = compareOperator(); operator; operator = compareOperator())
      rest.push([operator, binary(0)])
    return rest.length === 0 ? first : { kind: 'compare', position, first, rest }
  }

  function compareOperator(): CompareOperator | undefined {
    const { type, value } = tokens.current()
    if (type === 'operator' && isCompareOperator(value)) {
      tokens.next()
      return value
    }
    if (tokens.skipName('in')) return 'in'
    const following = tokens.look()
    if (!tokens.isName('not') || following.type !== 'name' || following.value !== 'in') return undefined
    tokens.next()
    tokens.next()
    return 'not in'
  }

  function binary(level: number): Expression {
    const operators = levels[level]
    if (operators === undefined) return operands.operand()
    const { position: start } = tokens.current()
    let left = binary(level + 1)
    if (operators === '~') {
      if (!tokens.isOperator('~')) return left
      const items = [left]
      while (tokens.skipOperator('~')) items.push(binary(level + 1))
      return { kind: 'concat', position: start, items }
    }
    for (let links = 0; ; links = tokens.link(links)) {
      const operator = operators.find((candidate) => tokens.isOperator(candidate))
      if (operator === undefined) return left
      const { position } = tokens.next()
      left = { kind: 'binary', position, operator, left, right: binary(level + 1) }
    }
  }

  function parseTuple(item: () => Expression, mayBeEmpty: boolean): Expression {
    const { position } = tokens.current()
    const items: Expression[] = []
    let isTuple = false
    for (;;) {
      if (items.length > 0) tokens.expect('operator', ',')
      const { type } = tokens.current()
      if (type === 'variable_end' || type === 'block_end' || tokens.isOperator(')')) break
      items.push(item())
      if (!tokens.isOperator(',')) break
      isTuple = true
    }
    const [only] = items
    if (!isTuple && only !== undefined) return only
    if (!isTuple && !mayBeEmpty) throw tokens.unexpected('an expression')
    return { kind: 'tuple', position, items }
  }

  return {
    ...operands,
    tokens,
    /** An expression with its inline `if`. */
    expression,
    /** One expression, or several with commas: a tuple without parentheses. */
    tuple: () => parseTuple(expression, false),
    /** What `if` and `for … in` take: no inline `if` stands in it, since a loop's own `if` is its filter. */
    condition: () => parseTuple(or, false),
  }
}
