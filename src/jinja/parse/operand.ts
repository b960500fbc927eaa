import { numberOf, parseExpression, parsePrimary } from './expression.ts'
import type { Arguments, Expression, FilterExpression } from './syntax.ts'
import type { TokenStream } from './token-stream.ts'

/** Attributes, items and calls behind an expression. */
export function parsePostfix(tokens: TokenStream, start: Expression): Expression {
  let expression = start
  for (let links = 0; ; links = tokens.link(links)) {
    if (tokens.isOperator('.')) expression = parseAttribute(tokens, expression)
    else if (tokens.isOperator('[')) expression = parseSubscript(tokens, expression)
    else if (tokens.isOperator('(')) expression = parseCall(tokens, expression)
    else return expression
  }
}

function parseAttribute(tokens: TokenStream, object: Expression): Expression {
  tokens.expect('operator', '.')
  const token = tokens.next()
  const { position } = token
  if (token.type === 'name') return { kind: 'attribute', position, object, name: token.value }
  if (token.type !== 'integer') throw tokens.fail('an attribute without a name', 'a name or a number', token)
  return { kind: 'item', position, object, key: { kind: 'constant', position, value: numberOf(token) } }
}

function parseSubscript(tokens: TokenStream, object: Expression): Expression {
  const { position } = tokens.expect('operator', '[')
  const keys: Expression[] = []
  while (!tokens.isOperator(']')) {
    if (keys.length > 0) tokens.expect('operator', ',')
    keys.push(parseKey(tokens))
  }
  tokens.next()
  const [only] = keys
  const key: Expression =
    keys.length === 1 && only !== undefined ? only : { kind: 'tuple', position, items: keys }
  return { kind: 'item', position, object, key }
}

function parseKey(tokens: TokenStream): Expression {
  const { position } = tokens.current()
  const startsWithColon = tokens.isOperator(':')
  const start = startsWithColon ? undefined : parseExpression(tokens)
  if (!tokens.skipOperator(':') && start !== undefined) return start
  const part = (): Expression | undefined =>
    tokens.isOperator(':') || tokens.isOperator(']') || tokens.isOperator(',')
      ? undefined
      : parseExpression(tokens)
  const stop = part()
  const step = tokens.skipOperator(':') ? part() : undefined
  return { kind: 'slice', position, ...(start && { start }), ...(stop && { stop }), ...(step && { step }) }
}

function parseCall(tokens: TokenStream, callee: Expression): Expression {
  // An error in a call is best shown at what is called, not at its parenthesis.
  return { kind: 'call', position: callee.position, callee, arguments: parseArguments(tokens) }
}

function parseArguments(tokens: TokenStream): Arguments {
  const result: Arguments = { positional: [], named: [] }
  tokens.expect('operator', '(')
  let count = 0
  while (!tokens.isOperator(')')) {
    if (count > 0) {
      tokens.expect('operator', ',')
      if (tokens.isOperator(')')) break
    }
    count += 1
    const token = tokens.current()
    const following = tokens.look()
    if (tokens.isOperator('*')) {
      if (result.spread ?? result.spreadNamed) throw tokens.fail('a second spread argument')
      tokens.next()
      result.spread = parseExpression(tokens)
    } else if (tokens.isOperator('**')) {
      if (result.spreadNamed) throw tokens.fail('a second spread argument')
      tokens.next()
      result.spreadNamed = parseExpression(tokens)
    } else if (token.type === 'name' && following.type === 'operator' && following.value === '=') {
      if (result.spreadNamed) throw tokens.fail('a named argument after **')
      tokens.next()
      tokens.next()
      result.named.push([token.value, parseExpression(tokens)])
    } else {
      if (result.spread ?? result.spreadNamed ?? result.named[0]) {
        throw tokens.fail('a positional argument after a named one')
      }
      result.positional.push(parseExpression(tokens))
    }
  }
  tokens.next()
  return result
}

/** Filters, tests and calls behind an expression. */
export function parseFilters(tokens: TokenStream, start: Expression): Expression {
  let expression = start
  for (let links = 0; ; links = tokens.link(links)) {
    if (tokens.isOperator('|')) expression = parseFilter(tokens, expression)
    else if (tokens.isName('is')) expression = parseTest(tokens, expression)
    else if (tokens.isOperator('(')) expression = parseCall(tokens, expression)
    else return expression
  }
}

function parseDottedName(tokens: TokenStream): string {
  let dotted = tokens.expect('name').value
  while (tokens.skipOperator('.')) dotted += `.${tokens.expect('name').value}`
  return dotted
}

function parseFilter(tokens: TokenStream, target?: Expression): FilterExpression {
  tokens.skipOperator('|')
  const { position } = tokens.current()
  const name = parseDottedName(tokens)
  const given: Arguments = tokens.isOperator('(') ? parseArguments(tokens) : { positional: [], named: [] }
  return { kind: 'filter', position, name, arguments: given, ...(target && { target }) }
}

/** The filters of a filter block or a set block, innermost first; `undefined` where there are none. */
export function parseFilterChain(tokens: TokenStream, startsInline: boolean): FilterExpression | undefined {
  let chain = startsInline ? parseFilter(tokens) : undefined
  while (tokens.isOperator('|')) chain = parseFilter(tokens, chain)
  return chain
}

function parseTest(tokens: TokenStream, target: Expression): Expression {
  tokens.next()
  const { position } = tokens.current()
  const negated = tokens.skipName('not')
  const name = parseDottedName(tokens)
  let given: Arguments = { positional: [], named: [] }
  const { type } = tokens.current()
  const opens = tokens.isOperator('(') || tokens.isOperator('[') || tokens.isOperator('{')
  const isOperand = type === 'name' || type === 'string' || type === 'integer' || type === 'float' || opens
  if (tokens.isOperator('(')) given = parseArguments(tokens)
  else if (isOperand && !['else', 'or', 'and'].some((word) => tokens.isName(word))) {
    if (tokens.isName('is')) throw tokens.fail('a chain of tests', 'one `is` only')
    given.positional.push(parsePostfix(tokens, parsePrimary(tokens)))
  }
  const test: Expression = { kind: 'test', position, target, name, arguments: given }
  return negated ? { kind: 'not', position, operand: test } : test
}
