import { clipText, FettleError, type Problem } from '../error.ts'

/** Python's exceptions that a template can meet, some of which jinja2's own operations catch, and fettle's own two. */
export type FaultKind =
  | 'TypeError'
  | 'ValueError'
  | 'LookupError'
  | 'ZeroDivisionError'
  | 'OverflowError'
  | 'UndefinedError'
  | 'SecurityError'
  | 'TemplateError'
  | 'FilterArgumentError'
  | 'Limit'
  | 'LeftOut'

/** Kinds whose message says all. */
const namelessKinds: ReadonlySet<FaultKind> = new Set(['TemplateError', 'Limit', 'LeftOut'])

/** What goes wrong while a template runs; the renderer adds the place and makes a FettleError of it. */
export class Fault extends Error {
  readonly kind: FaultKind
  readonly cure: string | undefined

  constructor(kind: FaultKind, message: string, cure?: string) {
    super(message)
    this.kind = kind
    this.cure = cure
  }
}

/** Line and column, both from 1, of an offset in a template. */
function placeOf(source: string, offset: number): string {
  const before = source.slice(0, offset)
  const line = before.split('\n').length
  const column = offset - (before.lastIndexOf('\n') + 1) + 1
  return `chat template:${line}:${column}`
}

/** Names in a template may be of any length; what is said of them is not. */
const longestPart = 500

/** An error in the template's text. */
export function syntaxError(source: string, offset: number, problem: Omit<Problem, 'place'>): FettleError {
  const { found, expected, cure } = problem
  return new FettleError({
    place: placeOf(source, offset),
    found: clipText(found, longestPart),
    ...(expected !== undefined && { expected: clipText(expected, longestPart) }),
    ...(cure !== undefined && { cure: clipText(cure, longestPart) }),
  })
}

/** What a thrown value is to the user: a fault gets its place, anything unknown stays as it is. */
export function describeThrown(thrown: unknown, source: string, offset: number): unknown {
  // A RangeError is the stack's or a string's own limit, should a template get past those of limits.ts.
  const fault =
    thrown instanceof RangeError ? new Fault('Limit', `the template goes too far: ${thrown.message}`) : thrown
  if (!(fault instanceof Fault)) return thrown
  const said = namelessKinds.has(fault.kind) ? fault.message : `${fault.kind}: ${fault.message}`
  const problem = { place: placeOf(source, offset), found: clipText(said.replace(/\.$/, ''), longestPart) }
  return new FettleError(fault.cure === undefined ? problem : { ...problem, cure: fault.cure }, {
    cause: thrown,
  })
}
