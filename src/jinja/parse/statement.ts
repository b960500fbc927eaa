import { parseExpression, parsePrimary, parseTuple } from './expression.ts'
import { parseFilterChain } from './operand.ts'
import type {
  Expression,
  For,
  If,
  LoadTemplate,
  Macro,
  Name,
  Parameter,
  Statement,
  Target,
} from './syntax.ts'
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
      if (tokens.skipName('print')) body.push(...parsePrint(tokens))
      else body.push(tokens.nested(() => parseStatement(tokens, ends)))
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
    case 'block':
      return parseNamedBlock(tokens, position)
    case 'autoescape':
      return {
        kind: 'autoescape',
        position,
        value: parseExpression(tokens),
        body: parseBlock(tokens, ['endautoescape']).body,
      }
    case 'include':
    case 'import':
    case 'from':
    case 'extends':
      return parseLoad(tokens, position, token.value)
    case 'break':
    case 'continue':
      return { kind: token.value, position }
  }
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
    const target = parseTarget(tokens, false)
    tokens.expect('operator', '=')
    bindings.push([target, parseExpression(tokens)])
  }
  return { kind: 'with', position, bindings, body: parseBlock(tokens, ['endwith']).body }
}

/** `{% print a, b %}`. */
function parsePrint(tokens: TokenStream): Statement[] {
  const outputs: Statement[] = []
  while (tokens.current().type !== 'block_end') {
    if (outputs.length > 0) tokens.expect('operator', ',')
    outputs.push({ kind: 'output', position: tokens.current().position, value: parseExpression(tokens) })
  }
  return outputs
}

function parseNamedBlock(tokens: TokenStream, position: number): Statement {
  const name = tokens.expect('name').value
  const scoped = tokens.skipName('scoped')
  const required = tokens.skipName('required')
  if (tokens.isOperator('-')) throw tokens.fail(`a block name with a hyphen`, 'an identifier')
  const { body } = parseBlock(tokens, ['endblock'])
  const isBlank = (statement: Statement): boolean => statement.kind === 'data' && statement.text.trim() === ''
  if (required && !body.every(isBlank))
    throw tokens.fail('a required block that is not empty', 'comments or white space only')
  tokens.skipName(name)
  return { kind: 'block', position, name, scoped, required, body }
}

function parseLoad(tokens: TokenStream, position: number, tag: LoadTemplate['tag']): LoadTemplate {
  const template = parseExpression(tokens)
  const load: LoadTemplate = { kind: 'load', position, tag, template, ignoreMissing: false, names: [] }
  if (tag === 'include' && tokens.isName('ignore') && tokens.look().value === 'missing') {
    tokens.next()
    tokens.next()
    load.ignoreMissing = true
  }
  if (tag === 'import') {
    tokens.expect('name', 'as')
    load.names.push(parseName(tokens).name)
  }
  if (tag === 'from') return parseImportedNames(tokens, load)
  if (tag !== 'extends') skipContext(tokens)
  return load
}

/** `with context` or `without context`. */
function skipContext(tokens: TokenStream): boolean {
  const isNext = (tokens.isName('with') || tokens.isName('without')) && tokens.look().value === 'context'
  if (!isNext) return false
  tokens.next()
  tokens.next()
  return true
}

function parseImportedNames(tokens: TokenStream, load: LoadTemplate): LoadTemplate {
  tokens.expect('name', 'import')
  for (;;) {
    if (load.names.length > 0) tokens.expect('operator', ',')
    if (tokens.current().type !== 'name') throw tokens.unexpected('a name')
    if (skipContext(tokens)) return load
    const imported = parseName(tokens)
    if (imported.name.startsWith('_'))
      throw tokens.fail(`the imported name '${imported.name}'`, 'a name without an underscore at its start')
    load.names.push(tokens.skipName('as') ? parseName(tokens).name : imported.name)
    if (skipContext(tokens) || !tokens.isOperator(',')) return load
  }
}

function parseName(tokens: TokenStream): Name {
  const { value, position } = tokens.expect('name')
  if (reserved.has(value)) throw tokens.fail(`an assignment to '${value}'`, 'a variable')
  return { kind: 'name', position, name: value }
}

/** One name, names in brackets, or in `set` also `namespace.attribute`. */
function parseSingleTarget(tokens: TokenStream, withAttributes: boolean): Target {
  const token = tokens.current()
  const following = tokens.look()
  const isAttribute =
    withAttributes && token.type === 'name' && following.type === 'operator' && following.value === '.'
  if (!isAttribute) return targetOf(tokens, parsePrimary(tokens))
  const { name, position } = parseName(tokens)
  tokens.next()
  return { kind: 'target-attribute', position, name, attribute: tokens.expect('name').value }
}

/** The target that an expression is, as jinja2 reads an expression first, too. */
function targetOf(tokens: TokenStream, expression: Expression): Target {
  if (expression.kind === 'name') return expression
  if (expression.kind !== 'tuple') throw tokens.fail(`an assignment to a ${expression.kind}`, 'a variable')
  return {
    kind: 'target-tuple',
    position: expression.position,
    items: expression.items.map((item) => targetOf(tokens, item)),
  }
}

/** A name, or names with commas. */
function parseTarget(tokens: TokenStream, withAttributes: boolean): Target {
  const { position } = tokens.current()
  const isEnd = (): boolean =>
    tokens.current().type === 'block_end' ||
    tokens.isOperator(')') ||
    (!withAttributes && tokens.isName('in'))
  if (isEnd()) throw tokens.unexpected('a variable')
  const first = parseSingleTarget(tokens, withAttributes)
  if (!tokens.isOperator(',')) return first
  const items = [first]
  while (tokens.skipOperator(',')) {
    if (isEnd()) break
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
    if (parameters.some((parameter) => parameter.name.name === name.name))
      throw tokens.fail(`the parameter '${name.name}' twice`)
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
  const call = parseExpression(tokens)
  if (call.kind !== 'call') throw tokens.fail('a call block without a call', 'a call')
  const { body } = parseBlock(tokens, ['endcall'])
  return {
    kind: 'call-block',
    position,
    call,
    caller: { kind: 'macro', position, name: 'caller', parameters, body },
  }
}
