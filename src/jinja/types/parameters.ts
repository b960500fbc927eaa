import { Fault } from '../fault.ts'
import type { Named, Value } from './values.ts'

/** The parameters of a builtin, written as Python writes them: `sep=, maxsplit=` (with `=` when it has a default). */
export interface Signature {
  readonly names: readonly string[]
  readonly required: number
  /** Parameters before this one cannot be named; Python's str methods take most only by position. */
  readonly positionalOnly: number
  /** Parameters from this one on must be named. */
  readonly keywordOnly: number
  /** Extra positional arguments are allowed. */
  readonly variadic: boolean
}

/** Reads `chars=, /`, `length=, *, signed=` or `value, *rest` into a signature. */
export function signature(text: string): Signature {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const named = parts.filter((part) => part !== '/' && !part.startsWith('*'))
  const slash = parts.indexOf('/')
  const star = parts.filter((part) => part !== '/').indexOf('*')
  return {
    names: named.map((part) => part.replace('=', '')),
    required: named.filter((part) => !part.endsWith('=')).length,
    positionalOnly: slash === -1 ? 0 : slash,
    keywordOnly: star === -1 ? named.length : star,
    variadic: parts.some((part) => part.startsWith('*') && part !== '*'),
  }
}

/** Arguments in the order of the signature; throws Python's TypeError where they do not fit. */
export function bindArguments(
  name: string,
  shape: Signature,
  positional: readonly Value[],
  named: Named,
): (Value | undefined)[] {
  if (positional.length > shape.keywordOnly && !shape.variadic) {
    const count = shape.keywordOnly
    throw new Fault(
      'TypeError',
      `${name}() takes at most ${count} argument${count === 1 ? '' : 's'} (${positional.length} given)`,
    )
  }
  const bound: (Value | undefined)[] = [...positional]
  for (const [key, value] of named) {
    const index = shape.names.indexOf(key)
    if (index === -1 || index < shape.positionalOnly)
      throw new Fault('TypeError', `${name}() got an unexpected keyword argument '${key}'`)
    if (bound[index] !== undefined)
      throw new Fault('TypeError', `${name}() got multiple values for argument '${key}'`)
    bound[index] = value
  }
  for (let index = 0; index < shape.required; index += 1) {
    if (bound[index] === undefined) {
      throw new Fault('TypeError', `${name}() missing required argument: '${shape.names[index] ?? ''}'`)
    }
  }
  return bound
}
