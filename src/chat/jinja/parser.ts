import {
  parseExpression,
  parseFilterChain,
  parsePostfix,
  parsePrimary,
  parseTuple,
} from './parse-expression.ts'
import type { Expression, For, If, Macro, Name, Parameter, Statement, Target } from './syntax.ts'
import { openTokens, type TokenStream } from './token-stream.ts'
import type { Token } from './lexer.ts'

const reserved: ReadonlySet<string> = new Set(['true', 'false', 'none', 'True', 'False', 'None'])

/** Parses the tokens of a template: jinja2's grammar with loop controls and transformers' generation blocks. */
export function parseTemplate(source: string, tokens: readonly Token[]): Statement[] {
  const stream = openTokens(source, tokens)
  const body = parseBody(stream, [])
  if (stream.current().type !== 'eof') throw stream.unexpected()
  return body
}

/** Statements up to `{% one of the ends`, whose name is then the current token. */
function parseBody(tokens: TokenStream, ends: readonly string[], opened = tokens.current()): Statement[] {
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
      body.push({ kind: 'output', position: tokens.current().position, value: parseTuple(tokens) })
      tokens.expect('variable_end')
    } else {
      const { type, value } = tokens.current()
      if (type === 'name' && ends.includes(value)) return body
      body.push(tokens.nested(() => parseStatement(tokens, ends)))
      tokens.expect('block_end')
    }
  }
}

/** `%} body {% end`, leaving the stream behind the end's name. */
function parseBlock(tokens: TokenStream, ends: readonly string[]): { body: Statement[]; end: string } {
  tokens.skipOperator(':')
  const opened = tokens.expect('block_end')
  const body = parseBody(tokens, ends, opened)
  return { body, end: tokens.next().value }
}

const unsupported: Readonly<Record<string, string>> = {
  include: 'other files',
  import: 'other files',
  from: 'other files',
  extends: 'other files',
  block: 'inheritance',
  autoescape: 'HTML escaping',
}

function parseStatement(tokens: TokenStream, ends: readonly string[]): Statement {
  const token = tokens.current()
  if (token.type !== 'name') throw tokens.unexpected('the name of a statement')
  const { position } = tokens.next()
  switch (token.value) {
    case 'if':
      return parseIf(tokens, position)
    case 'for':
      return parseFor(tokens, position)
    case 'set':
      return parseSet(tokens, position)
    case 'macro':
      return parseMacro(tokens, position)
    case 'call':
      return parseCallBlock(tokens, position)
    case 'filter': {
      const filter = parseFilterChain(tokens, true)
      if (filter === undefined) throw tokens.unexpected('a filter')
      return { kind: 'filter-block', position, filter, body: parseBlock(tokens, ['endfilter']).body }
    }
    case 'with':
      return parseWith(tokens, position)
    case 'generation':
      return { kind: 'generation', position, body: parseBlock(tokens, ['endgeneration']).body }
    case 'break':
    case 'continue':
      return { kind: token.value, position }
  }
  const topic = Object.hasOwn(unsupported, token.value) ? unsupported[token.value] : undefined
  if (topic !== undefined)
    throw tokens.fail(`the tag '${token.value}'`, `no ${topic}: a chat template stands alone`, token)
  const expected = ends.length > 0 ? ends.map((end) => `'${end}'`).join(' or ') : undefined
  throw tokens.fail(`unknown tag '${token.value}'`, expected, token)
}

function parseIf(tokens: TokenStream, position: number): If {
  const statement: If = { kind: 'if', position, branches: [], otherwise: [] }
  for (;;) {
    const test = parseTuple(tokens, { inlineIf: false })
    const { body, end } = parseBlock(tokens, ['elif', 'else', 'endif'])
    statement.branches.push({ test, body })
    if (end === 'else') statement.otherwise = parseBlock(tokens, ['endif']).body
    if (end !== 'elif') return statement
  }
}

function parseFor(tokens: TokenStream, position: number): For {
  const target = parseTarget(tokens, false)
  tokens.expect('name', 'in')
  const iterable = parseTuple(tokens, { inlineIf: false })
  const test = tokens.skipName('if') ? parseExpression(tokens) : undefined
  const recursive = tokens.skipName('recursive')
  const { body, end } = parseBlock(tokens, ['endfor', 'else'])
  const otherwise = end === 'else' ? parseBlock(tokens, ['endfor']).body : []
  return { kind: 'for', position, target, iterable, recursive, body, otherwise, ...(test && { test }) }
}

function parseSet(tokens: TokenStream, position: number): Statement {
  const target = parseTarget(tokens, true)
  if (tokens.skipOperator('=')) return { kind: 'set', position, target, value: parseTuple(tokens) }
  const filter = parseFilterChain(tokens, false)
  const { body } = parseBlock(tokens, ['endset'])
  return { kind: 'set-block', position, target, body, ...(filter && { filter }) }
}

function parseWith(tokens: TokenStream, position: number): Statement {
  const bindings: [Target, Expression][] = []
  while (tokens.current().type !== 'block_end') {
    if (bindings.length > 0) tokens.expect('operator', ',')
    const target = parseSingleTarget(tokens, false)
    tokens.expect('operator', '=')
    bindings.push([target, parseExpression(tokens)])
  }
  return { kind: 'with', position, bindings, body: parseBlock(tokens, ['endwith']).body }
}

function parseName(tokens: TokenStream): Name {
  const { value, position } = tokens.expect('name')
  if (reserved.has(value)) throw tokens.fail(`an assignment to '${value}'`, 'a variable')
  return { kind: 'name', position, name: value }
}

function parseSingleTarget(tokens: TokenStream, withAttributes: boolean): Target {
  if (tokens.isOperator('(')) {
    tokens.next()
    const inside = tokens.nested(() => parseTarget(tokens, withAttributes))
    tokens.expect('operator', ')')
    return inside
  }
  const name = parseName(tokens)
  if (!withAttributes || !tokens.skipOperator('.')) return name
  return {
    kind: 'target-attribute',
    position: name.position,
    name: name.name,
    attribute: tokens.expect('name').value,
  }
}

/** A name, or names with commas; in `set` also `namespace.attribute`. */
function parseTarget(tokens: TokenStream, withAttributes: boolean): Target {
  const { position } = tokens.current()
  const first = parseSingleTarget(tokens, withAttributes)
  if (!tokens.isOperator(',')) return first
  const items = [first]
  while (tokens.skipOperator(',')) {
    if (
      tokens.isName('in') ||
      tokens.isOperator('=') ||
      tokens.isOperator(')') ||
      tokens.current().type === 'block_end'
    )
      break
    items.push(parseSingleTarget(tokens, withAttributes))
  }
  return { kind: 'target-tuple', position, items }
}

function parseSignature(tokens: TokenStream): Parameter[] {
  const parameters: Parameter[] = []
  tokens.expect('operator', '(')
  while (!tokens.isOperator(')')) {
    if (parameters.length > 0) tokens.expect('operator', ',')
    const name = parseName(tokens)
    if (tokens.skipOperator('=')) parameters.push({ name, default: parseExpression(tokens) })
    else if (parameters.at(-1)?.default) throw tokens.fail('a parameter without default after one with')
    else parameters.push({ name })
  }
  tokens.next()
  return parameters
}

function parseMacro(tokens: TokenStream, position: number): Macro {
  const { name } = parseName(tokens)
  const parameters = parseSignature(tokens)
  return { kind: 'macro', position, name, parameters, body: parseBlock(tokens, ['endmacro']).body }
}

function parseCallBlock(tokens: TokenStream, position: number): Statement {
  const parameters = tokens.isOperator('(') ? parseSignature(tokens) : []
  const call = parsePostfix(tokens, parsePrimary(tokens))
  if (call.kind !== 'call') throw tokens.fail('a call block without a call', 'a call')
  const { body } = parseBlock(tokens, ['endcall'])
  return {
    kind: 'call-block',
    position,
    call,
    caller: { kind: 'macro', position, name: 'caller', parameters, body },
  }
}
