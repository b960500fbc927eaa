import { withArticle, type FettleError } from '../../error.ts'
import { syntaxError } from '../fault.ts'
import { leftOutForm, type Form } from '../left-out.ts'
import { MAX_CHAIN_LENGTH, MAX_NESTING_DEPTH } from '../limits.ts'
import type { Token, TokenType } from './lexer.ts'

/** How an error message names a token. */
function describeToken(token: Token): string {
  if (token.type === 'eof') return 'end of the template'
  if (token.type === 'block_end') return "'%}'"
  if (token.type === 'variable_end') return "'}}'"
  if (token.type === 'data') return 'text'
  return `'${token.value}'`
}

/** The tokens of a template with a position, as the parser walks them. */
export type TokenStream = ReturnType<typeof openTokens>

/** Opens a stream at the first token; behind the last one stands the end of the template. */
export function openTokens(source: string, tokens: readonly Token[]) {
  const end: Token = { type: 'eof', value: '', position: source.length }
  let index = 0
  let depth = 0
  const current = (): Token => tokens[index] ?? end
  const isOperator = (value: string): boolean => current().type === 'operator' && current().value === value
  const isName = (value: string): boolean => current().type === 'name' && current().value === value
  const fail = (found: string, expected?: string, token = current()): FettleError =>
    syntaxError(source, token.position, expected === undefined ? { found } : { found, expected })
  const unexpected = (expected?: string): FettleError =>
    fail(`unexpected ${describeToken(current())}`, expected)
  const next = (): Token => {
    const token = current()
    index += 1
    return token
  }
  return {
    current,
    look: (): Token => tokens[index + 1] ?? end,
    next,
    /** Whether the current token is the operator (or, with `isName`, the word). */
    isOperator,
    isName,
    skipOperator: (value: string): boolean => isOperator(value) && next() !== undefined,
    skipName: (value: string): boolean => isName(value) && next() !== undefined,
    expect(type: TokenType, value?: string): Token {
      const token = current()
      if (token.type !== type || (value !== undefined && token.value !== value)) {
        throw unexpected(value === undefined ? withArticle(type.replace('_', ' ')) : `'${value}'`)
      }
      return next()
    },
    fail,
    unexpected,
    /** The error of a form that the language leaves out. */
    leftOut: (form: Form): FettleError => syntaxError(source, current().position, leftOutForm(form)),
    /** Counts the links of one chain of operators, attributes or filters; returns the new count. */
    link(count: number): number {
      if (count >= MAX_CHAIN_LENGTH) throw fail(`a chain of more than ${MAX_CHAIN_LENGTH} links`)
      return count + 1
    },
    /** Runs `parse` one nesting level deeper; hostile templates nest until the stack overflows. */
    nested<T>(parse: () => T): T {
      depth += 1
      if (depth > MAX_NESTING_DEPTH) throw fail(`nesting deeper than ${MAX_NESTING_DEPTH}`)
      const result = parse()
      depth -= 1
      return result
    },
  }
}
