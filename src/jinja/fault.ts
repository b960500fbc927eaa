import { FettleError } from '../error.ts'

/** Python's exceptions that a template can meet; some of jinja2's own operations catch some of them. */
export type FaultKind =
  | 'TypeError'
  | 'ValueError'
  | 'LookupError'
  | 'AttributeError'
  | 'ZeroDivisionError'
  | 'OverflowError'
  | 'UndefinedError'
  | 'SecurityError'
  | 'TemplateError'
  | 'FilterArgumentError'
  | 'Limit'

/** What goes wrong while a template runs; the renderer adds the place and makes a FettleError of it. */
export class Fault extends Error {
  readonly kind: FaultKind

  constructor(kind: FaultKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** Line and column, both from 1, of an offset in a template. */
export function placeOf(source: string, offset: number): string {
  const before = source.slice(0, offset)
  const line = before.split('\n').length
  const column = offset - (before.lastIndexOf('\n') + 1) + 1
  return `chat template:${line}:${column}`
}

/** An error in the template's text. */
export function syntaxError(source: string, offset: number, found: string, expected?: string): FettleError {
  return new FettleError({
    place: placeOf(source, offset),
    found,
    ...(expected === undefined ? {} : { expected }),
  })
}
