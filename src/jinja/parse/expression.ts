import { parseFilters, parsePostfix } from './operand.ts'
import type { BinaryOperator, CompareOperator, Expression } from './syntax.ts'
import type { Token } from './lexer.ts'
import type { TokenStream } from './token-stream.ts'

const compareOperators: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])

function isCompareOperator(value: string): value is CompareOperator {
  return compareOperators.has(value)
}

/** An expression with its inline `if`. */
export function parseExpression(tokens: TokenStream): Expression {
  return tokens.nested(() => parseConditional(tokens))
}

function parseConditional(tokens: TokenStream): Expression {
  let expression = parseOr(tokens)
  let links = 0
  while (tokens.isName('if')) {
    links = tokens.link(links)
    const { position } = tokens.next()
    const test = parseOr(tokens)
    const otherwise = tokens.skipName('else') ? tokens.nested(() => parseConditional(tokens)) : undefined
    expression = {
      kind: 'conditional',
      position,
      test,
      whenTrue: expression,
      ...(otherwise ? { otherwise } : {}),
    }
  }
  return expression
}

/** An expression without inline `if`: what `for … in` takes, whose own `if` is the filter. */
function parseOr(tokens: TokenStream): Expression {
  let left = parseAnd(tokens)
  let links = 0
  while (tokens.isName('or')) {
    links = tokens.link(links)
    const { position } = tokens.next()
    left = { kind: 'or', position, left, right: parseAnd(tokens) }
  }
  return left
}

function parseAnd(tokens: TokenStream): Expression {
  let left = parseNot(tokens)
  let links = 0
  while (tokens.isName('and')) {
    links = tokens.link(links)
    const { position } = tokens.next()
    left = { kind: 'and', position, left, right: parseNot(tokens) }
  }
  return left
}

function parseNot(tokens: TokenStream): Expression {
  if (!tokens.isName('not')) return parseCompare(tokens)
  const { position } = tokens.next()
  return { kind: 'not', position, operand: tokens.nested(() => parseNot(tokens)) }
}

function readCompareOperator(tokens: TokenStream): CompareOperator | undefined {
  const token = tokens.current()
  if (token.type === 'operator' && isCompareOperator(token.value)) {
    tokens.next()
    return token.value
  }
  if (tokens.skipName('in')) return 'in'
  const following = tokens.look()
  if (!tokens.isName('not') || following.type !== 'name' || following.value !== 'in') return undefined
  tokens.next()
  tokens.next()
  return 'not in'
}

function parseCompare(tokens: TokenStream): Expression {
  const { position } = tokens.current()
  const first = parseSum(tokens)
  const rest: [CompareOperator, Expression][] = []
  for (let operator = readCompareOperator(tokens); operator; operator = readCompareOperator(tokens)) {
    rest.push([operator, parseSum(tokens)])
  }
  return rest.length === 0 ? first : { kind: 'compare', position, first, rest }
}

function parseBinary(
  tokens: TokenStream,
  operators: readonly BinaryOperator[],
  operand: (tokens: TokenStream) => Expression,
): Expression {
  let left = operand(tokens)
  for (let links = 0; ; links = tokens.link(links)) {
    const operator = operators.find((candidate) => tokens.isOperator(candidate))
    if (operator === undefined) return left
    const { position } = tokens.next()
    left = { kind: 'binary', position, operator, left, right: operand(tokens) }
  }
}

function parseSum(tokens: TokenStream): Expression {
  return parseBinary(tokens, ['+', '-'], parseConcat)
}

function parseConcat(tokens: TokenStream): Expression {
  const { position } = tokens.current()
  const first = parseProduct(tokens)
  if (!tokens.isOperator('~')) return first
  const items = [first]
  while (tokens.skipOperator('~')) items.push(parseProduct(tokens))
  return { kind: 'concat', position, items }
}

function parseProduct(tokens: TokenStream): Expression {
  return parseBinary(tokens, ['*', '/', '//', '%'], parsePower)
}

// Unlike Python's own, jinja2's power groups to the left.
function parsePower(tokens: TokenStream): Expression {
  return parseBinary(tokens, ['**'], parseUnary)
}

function parseUnary(tokens: TokenStream): Expression {
  return parseFilters(tokens, parseSigned(tokens))
}

function parseSigned(tokens: TokenStream): Expression {
  const { position } = tokens.current()
  if (tokens.skipOperator('-')) {
    const operand = tokens.nested(() => parseSigned(tokens))
    return parsePostfix(tokens, { kind: 'negative', position, operand })
  }
  if (tokens.skipOperator('+')) {
    const operand = tokens.nested(() => parseSigned(tokens))
    return parsePostfix(tokens, { kind: 'positive', position, operand })
  }
  return parsePostfix(tokens, parsePrimary(tokens))
}

function constantOf(name: string): boolean | null | undefined {
  if (name === 'true' || name === 'True') return true
  if (name === 'false' || name === 'False') return false
  return name === 'none' || name === 'None' ? null : undefined
}

/** A name, a literal or a bracketed expression. */
export function parsePrimary(tokens: TokenStream): Expression {
  const token = tokens.current()
  const { position } = token
  if (token.type === 'name') {
    tokens.next()
    const value = constantOf(token.value)
    return value === undefined
      ? { kind: 'name', position, name: token.value }
      : { kind: 'constant', position, value }
  }
  if (token.type === 'string') {
    let value = ''
    while (tokens.current().type === 'string') value += tokens.next().value
    return { kind: 'constant', position, value }
  }
  if (token.type === 'integer' || token.type === 'float') {
    tokens.next()
    return { kind: 'constant', position, value: numberOf(token) }
  }
  if (tokens.skipOperator('(')) {
    const inside = parseTuple(tokens, { parentheses: true })
    tokens.expect('operator', ')')
    return inside
  }
  if (tokens.skipOperator('[')) {
    const items = parseItems(tokens, ']', parseExpression)
    return { kind: 'list', position, items }
  }
  if (tokens.skipOperator('{')) {
    const entries = parseItems(tokens, '}', (): [Expression, Expression] => {
      const key = parseExpression(tokens)
      tokens.expect('operator', ':')
      return [key, parseExpression(tokens)]
    })
    return { kind: 'dict', position, entries }
  }
  throw tokens.unexpected('an expression')
}

/** The value of a number's token. */
export function numberOf(token: Token): number | bigint | { float: number } {
  if (token.type === 'float') return { float: Number(token.value) }
  const value = BigInt(token.value)
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

function parseItems<T>(tokens: TokenStream, closer: string, parse: (tokens: TokenStream) => T): T[] {
  const items: T[] = []
  while (!tokens.isOperator(closer)) {
    if (items.length > 0) tokens.expect('operator', ',')
    if (tokens.isOperator(closer)) break
    items.push(parse(tokens))
  }
  tokens.expect('operator', closer)
  return items
}

interface TupleOptions {
  /** An empty tuple is allowed. */
  parentheses?: boolean
  /** Whether inline `if` may stand in it (default true); not in `if` and `for … in`. */
  inlineIf?: boolean
}

/** One expression, or several with commas: a tuple, with or without parentheses. */
export function parseTuple(
  tokens: TokenStream,
  { parentheses = false, inlineIf = true }: TupleOptions = {},
): Expression {
  const { position } = tokens.current()
  const items: Expression[] = []
  let isTuple = false
  for (;;) {
    if (items.length > 0) tokens.expect('operator', ',')
    const { type } = tokens.current()
    const ends = type === 'variable_end' || type === 'block_end' || tokens.isOperator(')')
    if (ends || (!inlineIf && tokens.isName('recursive'))) break
    items.push(inlineIf ? parseExpression(tokens) : parseOr(tokens))
    if (!tokens.isOperator(',')) break
    isTuple = true
  }
  const [only] = items
  if (!isTuple && only !== undefined) return only
  if (!isTuple && !parentheses) throw tokens.unexpected('an expression')
  return { kind: 'tuple', position, items }
}
