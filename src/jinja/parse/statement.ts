import { withArticle } from '../../error.ts'
import { syntaxError } from '../fault.ts'
import { unknownName } from '../left-out.ts'
import { expressionParser, type ExpressionParser } from './expression.ts'
import type { Token } from './lexer.ts'
import type { Expression, For, If, Macro, Name, Parameter, Statement, Target } from './syntax.ts'
import { openTokens } from './token-stream.ts'

interface Parser extends ExpressionParser {
  readonly source: string
}

const reserved: ReadonlySet<string> = new Set(['true', 'false', 'none', 'True', 'False', 'None'])

/** Parses the tokens of a template: jinja2's grammar with loop controls and transformers' generation blocks. */
export function parseStatements(source: string, tokens: readonly Token[]): Statement[] {
  const parser = { ...expressionParser(openTokens(source, tokens)), source }
  return parseBody(parser, [])
}

/** Statements up to `{% one of the ends`, whose name is then the current token. */
function parseBody(parser: Parser, ends: readonly string[], opened?: Token): Statement[] {
  const { tokens } = parser
  const body: Statement[] = []
  for (;;) {
    const token = tokens.next()
    if (token.type === 'eof') {
      if (ends.length > 0)
        throw tokens.fail('a block without its end', ends.map((end) => `{% ${end} %}`).join(' or '), opened)
      return body
    }
    if (token.type === 'data') body.push({ kind: 'data', position: token.position, text: token.value })
    else if (token.type === 'variable_begin') {
      body.push({ kind: 'output', position: tokens.current().position, value: parser.tuple() })
      tokens.expect('variable_end')
    } else {
      const { type, value } = tokens.current()
      if (type === 'name' && ends.includes(value)) return body
      body.push(tokens.nested(() => parseStatement(parser, ends)))
      tokens.expect('block_end')
    }
  }
}

/** `%} body {% end`, leaving the stream behind the end's name. */
function parseBlock(parser: Parser, ends: readonly string[]): { body: Statement[]; end: string } {
  const { tokens } = parser
  tokens.skipOperator(':')
  const opened = tokens.expect('block_end')
  const body = parseBody(parser, ends, opened)
  return { body, end: tokens.next().value }
}

/** How a statement is read behind its name. */
const statements = {
  if: parseIf,
  for: parseFor,
  set: parseSet,
  macro: parseMacro,
  call: parseCallBlock,
  filter(parser, position) {
    const filter = parser.filterChain(true)
    if (filter === undefined) throw parser.tokens.unexpected('a filter')
    return { kind: 'filter-block', position, filter, body: parseBlock(parser, ['endfilter']).body }
  },
  generation: (parser, position) => ({
    kind: 'generation',
    position,
    body: parseBlock(parser, ['endgeneration']).body,
  }),
  break: (_, position) => ({ kind: 'break', position }),
  continue: (_, position) => ({ kind: 'continue', position }),
} satisfies Record<string, (parser: Parser, position: number) => Statement>

/** The names of all statements. */
export const tagNames: readonly string[] = [...Object.keys(statements), 'raw']

function isStatement(name: string): name is keyof typeof statements {
  return Object.hasOwn(statements, name)
}

function parseStatement(parser: Parser, ends: readonly string[]): Statement {
  const { tokens, source } = parser
  const { type, value, position } = tokens.current()
  if (type !== 'name') throw tokens.unexpected('the name of a statement')
  if (!isStatement(value)) {
    const problem = unknownName('tag', value, [...tagNames, ...ends])
    const expected = ends.map((end) => `'${end}'`).join(' or ')
    throw syntaxError(source, position, expected === '' ? problem : { ...problem, expected })
  }
  tokens.next()
  return statements[value](parser, position)
}

function parseIf(parser: Parser, position: number): If {
  const statement: If = { kind: 'if', position, branches: [], otherwise: [] }
  for (;;) {
    const test = parser.condition()
    const { body, end } = parseBlock(parser, ['elif', 'else', 'endif'])
    statement.branches.push({ test, body })
    if (end === 'else') statement.otherwise = parseBlock(parser, ['endif']).body
    if (end !== 'elif') return statement
  }
}

function parseFor(parser: Parser, position: number): For {
  const { tokens } = parser
  const target = parseTarget(parser, false)
  tokens.expect('name', 'in')
  const iterable = parser.condition()
  const test = tokens.skipName('if') ? parser.expression() : undefined
  if (tokens.isName('recursive')) throw tokens.leftOut('a recursive loop')
  const { body, end } = parseBlock(parser, ['endfor', 'else'])
  const otherwise = end === 'else' ? parseBlock(parser, ['endfor']).body : []
  return { kind: 'for', position, target, iterable, body, otherwise, ...(test && { test }) }
}

function parseSet(parser: Parser, position: number): Statement {
  const target = parseTarget(parser, true)
  if (parser.tokens.skipOperator('=')) return { kind: 'set', position, target, value: parser.tuple() }
  const filter = parser.filterChain(false)
  const { body } = parseBlock(parser, ['endset'])
  return { kind: 'set-block', position, target, body, ...(filter && { filter }) }
}

function parseName({ tokens }: Parser): Name {
  const { value, position } = tokens.expect('name')
  if (reserved.has(value)) throw tokens.fail(`an assignment to '${value}'`, 'a variable')
  return { kind: 'name', position, name: value }
}

/** One name, names in brackets, or in `set` also `namespace.attribute`. */
function parseSingleTarget(parser: Parser, withAttributes: boolean): Target {
  const { tokens } = parser
  const following = tokens.look()
  const isAttribute =
    withAttributes &&
    tokens.current().type === 'name' &&
    following.type === 'operator' &&
    following.value === '.'
  if (!isAttribute) return targetOf(parser, parser.primary())
  const { name, position } = parseName(parser)
  tokens.next()
  return { kind: 'target-attribute', position, name, attribute: tokens.expect('name').value }
}

/** The target that an expression is, as jinja2 reads an expression first, too. */
function targetOf(parser: Parser, expression: Expression): Target {
  if (expression.kind === 'name') return expression
  if (expression.kind !== 'tuple')
    throw parser.tokens.fail(`an assignment to ${withArticle(expression.kind)}`, 'a variable')
  return {
    kind: 'target-tuple',
    position: expression.position,
    items: expression.items.map((item) => targetOf(parser, item)),
  }
}

/** A name, or names with commas. */
function parseTarget(parser: Parser, withAttributes: boolean): Target {
  const { tokens } = parser
  const { position } = tokens.current()
  const isEnd = (): boolean =>
    tokens.current().type === 'block_end' ||
    tokens.isOperator(')') ||
    (!withAttributes && tokens.isName('in'))
  if (isEnd()) throw tokens.unexpected('a variable')
  const first = parseSingleTarget(parser, withAttributes)
  if (!tokens.isOperator(',')) return first
  const items = [first]
  while (tokens.skipOperator(',') && !isEnd()) items.push(parseSingleTarget(parser, withAttributes))
  return { kind: 'target-tuple', position, items }
}

function parseSignature(parser: Parser): Parameter[] {
  const { tokens } = parser
  const parameters: Parameter[] = []
  tokens.expect('operator', '(')
  while (!tokens.isOperator(')')) {
    if (parameters.length > 0) tokens.expect('operator', ',')
    const name = parseName(parser)
    if (parameters.some((parameter) => parameter.name.name === name.name))
      throw tokens.fail(`the parameter '${name.name}' twice`)
    if (tokens.skipOperator('=')) parameters.push({ name, default: parser.expression() })
    else if (parameters.at(-1)?.default) throw tokens.fail('a parameter without default after one with')
    else parameters.push({ name })
  }
  tokens.next()
  return parameters
}

function parseMacro(parser: Parser, position: number): Macro {
  const { name } = parseName(parser)
  const parameters = parseSignature(parser)
  return { kind: 'macro', position, name, parameters, body: parseBlock(parser, ['endmacro']).body }
}

function parseCallBlock(parser: Parser, position: number): Statement {
  const { tokens } = parser
  const parameters = tokens.isOperator('(') ? parseSignature(parser) : []
  const call = parser.expression()
  if (call.kind !== 'call') throw tokens.fail('a call block without a call', 'a call')
  const { body } = parseBlock(parser, ['endcall'])
  return {
    kind: 'call-block',
    position,
    call,
    caller: { kind: 'macro', position, name: 'caller', parameters, body },
  }
}
