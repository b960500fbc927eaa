import { FettleError } from '../error.ts'
import type { Dialect } from './syntax.ts'

/** A pattern that is being read, and how far. */
export interface Cursor {
  readonly dialect: Dialect
  /** Whether the next characters are these. */
  peek(text: string): boolean
  /** Passes over these characters if they are the next. */
  take(text: string): boolean
  /** Passes over what a regular expression, which begins with `^`, matches here. */
  match(expression: RegExp): RegExpExecArray | undefined
  next(): string
  isAtEnd(): boolean
  /** What a message says of something that is not read. */
  refuse(found: string): FettleError
}

export function makeCursor(source: string, dialect: Dialect, place: string): Cursor {
  let at = 0
  const refuse = (found: string) =>
    new FettleError({
      place,
      found: `${found} in the pattern ${shortened(source)}`,
      expected: dialect === 'python' ? "a pattern of Python's re" : 'a pattern without it',
    })
  return {
    dialect,
    refuse,
    peek: (text) => source.startsWith(text, at),
    take(text) {
      const isNext = source.startsWith(text, at)
      if (isNext) at += text.length
      return isNext
    },
    match(expression) {
      const found = expression.exec(source.slice(at, at + 200))
      if (found === null) return undefined
      at += found[0].length
      return found
    },
    next() {
      const code = source.codePointAt(at)
      if (code === undefined) throw refuse('an end too soon')
      const character = String.fromCodePoint(code)
      at += character.length
      return character
    },
    isAtEnd: () => at >= source.length,
  }
}

/** A pattern as messages show it. */
export function shortened(source: string): string {
  return source.length > 200 ? `${source.slice(0, 200)}…` : source
}
