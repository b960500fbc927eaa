import type { Token } from './lexer.ts'
import type { Arguments, Expression, FilterExpression } from './syntax.ts'
import type { TokenStream } from './token-stream.ts'

/** The value of a number's token. */
function numberOf(token: Token): number | bigint | { float: number } {
  if (token.type === 'float') return { float: Number(token.value) }
  const value = BigInt(token.value)
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

const constants: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
])

/** Makes the parser of what stands between binary operators; what is inside of brackets the grammar around it reads. */
export function operandParser(
  tokens: TokenStream,
  { expression, brackets }: { expression: () => Expression; brackets: () => Expression },
) {
  function signed(): Expression {
    const { position } = tokens.current()
    for (const [sign, kind] of [['-', 'negative'] as const, ['+', 'positive'] as const]) {
      if (!tokens.skipOperator(sign)) continue
      return postfix({ kind, position, operand: tokens.nested(signed) })
    }
    return postfix(primary())
  }

  /** A name, a literal or a bracketed expression. */
  function primary(): Expression {
    const token = tokens.current()
    const { position } = token
    if (token.type === 'name') {
      tokens.next()
      const value = constants.get(token.value)
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
      const inside = brackets()
      tokens.expect('operator', ')')
      return inside
    }
    if (tokens.skipOperator('[')) return { kind: 'list', position, items: items(']', expression) }
    if (tokens.skipOperator('{')) return { kind: 'dict', position, entries: items('}', entry) }
    throw tokens.unexpected('an expression')
  }

  function entry(): [Expression, Expression] {
    const key = expression()
    tokens.expect('operator', ':')
    return [key, expression()]
  }

  /** What stands between commas, of which one may follow the last, up to the closing bracket. */
  function items<T>(closer: string, parse: () => T): T[] {
    const found: T[] = []
    while (!tokens.skipOperator(closer)) {
      if (found.length > 0) tokens.expect('operator', ',')
      if (tokens.skipOperator(closer)) break
      found.push(parse())
    }
    return found
  }

  function postfix(start: Expression): Expression {
    let object = start
    for (let links = 0; ; links = tokens.link(links)) {
      if (tokens.isOperator('.')) object = attribute(object)
      else if (tokens.isOperator('[')) object = subscript(object)
      else if (tokens.isOperator('(')) object = call(object)
      else return object
    }
  }

  function attribute(object: Expression): Expression {
    tokens.next()
    const token = tokens.next()
    const { position } = token
    if (token.type === 'name') return { kind: 'attribute', position, object, name: token.value }
    if (token.type !== 'integer')
      throw tokens.fail('an attribute without a name', 'a name or a number', token)
    return { kind: 'item', position, object, key: { kind: 'constant', position, value: numberOf(token) } }
  }

  function subscript(object: Expression): Expression {
    const { position } = tokens.next()
    const index = key()
    if (tokens.isOperator(',')) throw tokens.leftOut('an index of several parts')
    tokens.expect('operator', ']')
    return { kind: 'item', position, object, key: index }
  }

  function key(): Expression {
    const { position } = tokens.current()
    const start = tokens.isOperator(':') ? undefined : expression()
    if (!tokens.skipOperator(':') && start !== undefined) return start
    const isEnd = (): boolean => [':', ']'].some((sign) => tokens.isOperator(sign))
    const stop = isEnd() ? undefined : expression()
    const step = tokens.skipOperator(':') && !isEnd() ? expression() : undefined
    return { kind: 'slice', position, ...(start && { start }), ...(stop && { stop }), ...(step && { step }) }
  }

  function call(callee: Expression): Expression {
    // An error in a call is best shown at what is called, not at its parenthesis.
    return { kind: 'call', position: callee.position, callee, arguments: parseArguments() }
  }

  function parseArguments(): Arguments {
    const result: Arguments = { positional: [], named: [] }
    tokens.next()
    items(')', () => argument(result))
    return result
  }

  function argument(result: Arguments): void {
    const token = tokens.current()
    const following = tokens.look()
    if (tokens.skipOperator('*')) {
      if (result.spread ?? result.spreadNamed) throw tokens.fail('a second spread argument')
      result.spread = expression()
    } else if (tokens.skipOperator('**')) {
      if (result.spreadNamed) throw tokens.fail('a second spread argument')
      result.spreadNamed = expression()
    } else if (token.type === 'name' && following.type === 'operator' && following.value === '=') {
      if (result.spreadNamed) throw tokens.fail('a named argument after **')
      if (result.named.some(([name]) => name === token.value)) throw tokens.fail('a named argument twice')
      tokens.next()
      tokens.next()
      result.named.push([token.value, expression()])
    } else {
      if (result.spread ?? result.spreadNamed ?? result.named[0])
        throw tokens.fail('a positional argument after a named one')
      result.positional.push(expression())
    }
  }

  const noArguments = (): Arguments => ({ positional: [], named: [] })

  /** A signed literal, name or bracket with its attributes, items, calls, filters and tests. */
  function operand(): Expression {
    let value = signed()
    for (let links = 0; ; links = tokens.link(links)) {
      if (tokens.isOperator('|')) value = filter(value)
      else if (tokens.isName('is')) value = test(value)
      else if (tokens.isOperator('(')) value = call(value)
      else return value
    }
  }

  function filter(target?: Expression): FilterExpression {
    tokens.skipOperator('|')
    const { position } = tokens.current()
    const name = tokens.expect('name').value
    const given = tokens.isOperator('(') ? parseArguments() : noArguments()
    return { kind: 'filter', position, name, arguments: given, ...(target && { target }) }
  }

  /** The filters of a filter block, which begin inline, or of a set block; `undefined` where there are none. */
  function filterChain(startsInline: boolean): FilterExpression | undefined {
    let chain = startsInline ? filter() : undefined
    while (tokens.isOperator('|')) chain = filter(chain)
    return chain
  }

  function test(target: Expression): Expression {
    tokens.next()
    const { position } = tokens.current()
    const negated = tokens.skipName('not')
    const name = tokens.expect('name').value
    let given = noArguments()
    const { type } = tokens.current()
    const isOperand =
      ['name', 'string', 'integer', 'float'].includes(type) ||
      tokens.isOperator('[') ||
      tokens.isOperator('{')
    if (tokens.isOperator('(')) given = parseArguments()
    else if (isOperand && !['else', 'or', 'and'].some((word) => tokens.isName(word))) {
      if (tokens.isName('is')) throw tokens.fail('a chain of tests', 'one `is` only')
      given.positional.push(postfix(primary()))
    }
    const found: Expression = { kind: 'test', position, target, name, arguments: given }
    return negated ? { kind: 'not', position, operand: found } : found
  }

  return { operand, primary, filterChain }
}
