import { syntaxError } from '../fault.ts'
import type { FettleError } from '../../error.ts'
import type { Token, TokenType } from './lexer.ts'
import { MAX_CHAIN_LENGTH, MAX_NESTING_DEPTH } from '../limits.ts'

/** The tokens of a template with a position, as the parser walks them. */
export interface TokenStream {
  readonly source: string
  current(): Token
  look(): Token
  next(): Token
  /** Whether the current token is the operator (or, with `name`, the keyword). */
  isOperator(value: string): boolean
  isName(value: string): boolean
  skipOperator(value: string): boolean
  skipName(value: string): boolean
  expect(type: TokenType, value?: string): Token
  fail(found: string, expected?: string, token?: Token): FettleError
  unexpected(expected?: string): FettleError
  /** Counts the links of one chain of operators, attributes or filters; returns the new count. */
  link(count: number): number
  /** Runs `parse` one nesting level deeper; hostile templates nest until the stack overflows. */
  nested<T>(parse: () => T): T
}

/** How an error message names a token. */
function describeToken(token: Token): string {
  if (token.type === 'eof') return 'end of the template'
  if (token.type === 'block_end') return "'%}'"
  if (token.type === 'variable_end') return "'}}'"
  if (token.type === 'data') return 'text'
  return `'${token.value}'`
}

/** Opens a stream at the first token. */
export function openTokens(source: string, tokens: readonly Token[]): TokenStream {
  const last = tokens.at(-1)
  if (last === undefined) throw syntaxError(source, 0, 'no tokens')
  const eof: Token = last
  let index = 0
  let depth = 0
  const current = (): Token => tokens[index] ?? eof
  const isOperator = (value: string): boolean => current().type === 'operator' && current().value === value
  const isName = (value: string): boolean => current().type === 'name' && current().value === value
  const fail = (found: string, expected?: string, token = current()): FettleError =>
    syntaxError(source, token.position, found, expected)
  const unexpected = (expected?: string): FettleError =>
    fail(`unexpected ${describeToken(current())}`, expected)
  const next = (): Token => {
    const token = current()
    index += 1
    return token
  }
  return {
    source,
    current,
    look: () => tokens[index + 1] ?? eof,
    next,
    isOperator,
    isName,
    skipOperator: (value) => isOperator(value) && next() !== undefined,
    skipName: (value) => isName(value) && next() !== undefined,
    expect(type, value) {
      const token = current()
      if (token.type !== type || (value !== undefined && token.value !== value)) {
        throw unexpected(value === undefined ? `a ${type.replace('_', ' ')}` : `'${value}'`)
      }
      return next()
    },
    fail,
    unexpected,
    link(count) {
      if (count >= MAX_CHAIN_LENGTH) throw fail(`a chain of more than ${MAX_CHAIN_LENGTH} links`)
      return count + 1
    },
    nested(parse) {
      depth += 1
      if (depth > MAX_NESTING_DEPTH) throw fail(`nesting deeper than ${MAX_NESTING_DEPTH}`)
      const result = parse()
      depth -= 1
      return result
    },
  }
}
