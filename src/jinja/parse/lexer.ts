import { decodePythonString } from './string-literal.ts'
import { syntaxError } from '../fault.ts'
import { MAX_SOURCE_LENGTH } from '../limits.ts'

/** The kinds of token that the parser sees. */
export type TokenType =
  | 'data'
  | 'variable_begin'
  | 'variable_end'
  | 'block_begin'
  | 'block_end'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'eof'

/** A token; `value` is the decoded text of a string, the sign of an operator, the digits of a number. */
export interface Token {
  type: TokenType
  value: string
  position: number
}

const opening = /\{#|\{%|\{\{/g
const rawBegin = /\{%(-|\+|)\s*raw\s*(?:-%\}\s*|%\})/y
const rawEnd = /\{%(-|\+|)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g
const commentEnd = /\+#\}|-#\}\s*|#\}\n?/g
const blockEnd = /\+%\}|-%\}\s*|%\}\n?/y
const variableEnd = /-\}\}\s*|\}\}/y
const space = /\s+/y
const float = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const name = /[\p{L}\p{N}\p{M}_]+/uy
const identifier = /^[\p{L}_][\p{L}\p{N}\p{M}_]*$/u
const string = /'(?:[^'\\]*(?:\\.[^'\\]*)*)'|"(?:[^"\\]*(?:\\.[^"\\]*)*)"/sy
const operator = /\/\/|\*\*|==|!=|>=|<=|[+\-/*%~[\](){}><=.:|,;]/y
const closers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

function at(pattern: RegExp, source: string, position: number): string | undefined {
  pattern.lastIndex = position
  return pattern.exec(source)?.[0]
}

/**
 * Splits a template into tokens exactly as jinja2 3.1 does with trim_blocks and lstrip_blocks:
 * the first newline after a block or comment goes, and so does white space before one on its line.
 */
export function tokenize(template: string): { source: string; tokens: Token[] } {
  if (template.length > MAX_SOURCE_LENGTH) {
    throw syntaxError(template, 0, {
      found: `a template of ${template.length} characters`,
      expected: `at most ${MAX_SOURCE_LENGTH}`,
    })
  }
  // keep_trailing_newline is off: one newline at the very end is no part of the template.
  const source = template.replace(/\r\n|\r/g, '\n').replace(/\n$/, '')
  const tokens: Token[] = []
  let position = 0
  let lineStarts = true

  function pushData(from: number, to: number, sign: string, isVariable: boolean): void {
    let text = source.slice(from, to)
    if (sign === '-') text = text.trimEnd()
    else if (sign !== '+' && !isVariable) {
      const start = text.lastIndexOf('\n') + 1
      if ((start > 0 || lineStarts) && /^\s+$/.test(text.slice(start))) text = text.slice(0, start)
    }
    if (text !== '') tokens.push({ type: 'data', value: text, position: from })
  }

  while (position < source.length) {
    opening.lastIndex = position
    const found = opening.exec(source)
    if (found === null) {
      tokens.push({ type: 'data', value: source.slice(position), position })
      break
    }
    const start = found.index
    const raw = at(rawBegin, source, start)
    const sign = /[-+]/.test(source.charAt(start + 2)) ? source.charAt(start + 2) : ''
    pushData(position, start, sign, found[0] === '{{')
    if (raw !== undefined) {
      position = start + raw.length
      rawEnd.lastIndex = position
      const end = rawEnd.exec(source)
      if (end === null)
        throw syntaxError(source, start, { found: 'a raw block without its end', expected: '{% endraw %}' })
      // The text inside is data as it stands, except for the white space that `{%-` and lstrip_blocks take.
      lineStarts = raw.endsWith('\n')
      pushData(position, end.index, end[1] ?? '', false)
      position = rawEnd.lastIndex
      lineStarts = end[0].endsWith('\n')
    } else if (found[0] === '{#') {
      commentEnd.lastIndex = start + 2
      const end = commentEnd.exec(source)
      if (end === null)
        throw syntaxError(source, start, { found: 'a comment without its end', expected: '#}' })
      position = commentEnd.lastIndex
      lineStarts = end[0].endsWith('\n')
    } else {
      const isVariable = found[0] === '{{'
      tokens.push({ type: isVariable ? 'variable_begin' : 'block_begin', value: found[0], position: start })
      position = readTag(source, start + 2 + sign.length, start, isVariable, tokens)
      lineStarts = source.charAt(position - 1) === '\n'
    }
  }
  return { source, tokens }
}

/** Reads the tokens of one tag and returns the offset behind it. */
function readTag(source: string, from: number, start: number, isVariable: boolean, tokens: Token[]): number {
  const end = isVariable ? variableEnd : blockEnd
  const brackets: string[] = []
  let position = from
  for (;;) {
    if (position >= source.length) {
      const expected = brackets.at(-1) ?? (isVariable ? '}}' : '%}')
      throw syntaxError(source, start, { found: 'a tag without its end', expected })
    }
    // Inside brackets `}}` closes two dictionaries.
    const closing = brackets.length === 0 ? at(end, source, position) : undefined
    if (closing !== undefined) {
      tokens.push({ type: isVariable ? 'variable_end' : 'block_end', value: closing, position })
      return position + closing.length
    }
    const token = readToken(source, position)
    if (token === undefined) {
      position += at(space, source, position)?.length ?? 0
      continue
    }
    if (token.type === 'operator') balance(source, token, brackets)
    tokens.push({ type: token.type, value: token.value, position })
    position += token.length
  }
}

const patterns = { float, integer, name, string, operator } as const

/** The token at a place, with the length of its text; `undefined` where white space stands. */
function readToken(source: string, position: number): (Token & { length: number }) | undefined {
  if (at(space, source, position) !== undefined) return undefined
  for (const type of ['float', 'integer', 'name', 'string', 'operator'] as const) {
    const text = at(patterns[type], source, position)
    if (text === undefined) continue
    if (type === 'name' && !identifier.test(text))
      throw syntaxError(source, position, { found: `the name '${text}'`, expected: 'an identifier' })
    const isNumber = type === 'float' || type === 'integer'
    const value = type === 'string' ? decodePythonString(text.slice(1, -1)) : text
    if (value === undefined) throw syntaxError(source, position, { found: 'a string with a broken escape' })
    return { type, value: isNumber ? value.replaceAll('_', '') : value, position, length: text.length }
  }
  throw syntaxError(source, position, { found: `an unexpected character '${source.charAt(position)}'` })
}

function balance(source: string, token: Token, brackets: string[]): void {
  const closer = closers[token.value]
  if (closer !== undefined) brackets.push(closer)
  else if (token.value === ')' || token.value === ']' || token.value === '}') {
    const expected = brackets.pop()
    if (expected !== token.value)
      throw syntaxError(source, token.position, {
        found: `an unexpected '${token.value}'`,
        ...(expected !== undefined && { expected }),
      })
  }
}
