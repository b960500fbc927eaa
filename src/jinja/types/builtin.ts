import { Fault } from '../fault.ts'
import { leftOutFault } from '../left-out.ts'
import { indexArgument } from './numbers.ts'
import { plain, type Str } from './text.ts'
import { isStr, PyFunction, typeFault, typeName, type Named, type Value } from './values.ts'
import { plural } from '../../plural.ts'

/** What a builtin is given, in the order of its parameters; what is missing is undefined. */
export type Given = readonly (Value | undefined)[]

/** The parameters of a builtin, as Python has them. */
interface Signature {
  readonly names: readonly string[]
  readonly required: number
  /** Parameters before this one cannot be named; Python's str methods take most only by position. */
  readonly positionalOnly: number
  /** Parameters from this one on are Python's, and left out here. */
  readonly kept: number
  /** Takes any number of arguments, and all named ones. */
  readonly isVariadic: boolean
}

/** A method, a filter, a test or a function: its parameters and what it does with a value. */
export interface Builtin<Self, Result = Value> {
  readonly name: string
  readonly signature: Signature
  readonly call: (self: Self, given: Given, named: Named) => Result
}

/**
 * Reads `sep=, maxsplit=`: a parameter with `=` has a default, one with `!` is left out, those before `/` have no name,
 * `*` takes all.
 */
function readSignature(text: string): Signature {
  const parts = text.split(', ').filter((part) => part !== '')
  const named = parts.filter((part) => part !== '/' && part !== '*')
  return {
    names: named.map((part) => part.replace(/[=!]/, '')),
    required: named.filter((part) => !/[=!]/.test(part)).length,
    kept: named.filter((part) => !part.endsWith('!')).length,
    positionalOnly: Math.max(0, parts.indexOf('/')),
    isVariadic: parts.includes('*'),
  }
}

/** Builtins by name, from their headers as Python writes them: `'split(sep=, maxsplit=)': …`. */
export function defineBuiltins<Self, Result = Value>(
  table: Readonly<Record<string, Builtin<Self, Result>['call']>>,
): ReadonlyMap<string, Builtin<Self, Result>> {
  return new Map(
    Object.entries(table).map(([header, call]) => {
      const [name = '', parameters = ''] = header.slice(0, -1).split('(')
      return [name, { name, signature: readSignature(parameters), call }]
    }),
  )
}

/** Calls a builtin; throws Python's TypeError where the arguments do not fit. */
export function callBuiltin<Self, Result>(
  { name, signature, call }: Builtin<Self, Result>,
  self: Self,
  positional: readonly Value[],
  named: Named,
): Result {
  const { names, required, kept, positionalOnly, isVariadic } = signature
  if (isVariadic) return call(self, positional, named)
  if (positional.length > names.length)
    throw new Fault(
      'TypeError',
      `${name}() takes at most ${plural(names.length, 'argument')} (${positional.length} given)`,
    )
  if (named.size === 0 && positional.length >= required && positional.length <= kept)
    return call(self, positional, named)
  const bound: (Value | undefined)[] = [...positional]
  for (const [key, value] of named) {
    const index = names.indexOf(key)
    if (index === -1 || index < positionalOnly)
      throw new Fault('TypeError', `${name}() got an unexpected keyword argument '${key}'`)
    if (bound[index] !== undefined)
      throw new Fault('TypeError', `${name}() got multiple values for argument '${key}'`)
    bound[index] = value
  }
  const missing = names.slice(0, required).find((_, index) => bound[index] === undefined)
  if (missing !== undefined) throw new Fault('TypeError', `${name}() missing required argument: '${missing}'`)
  const refused = names.slice(kept).find((_, index) => bound[kept + index] !== undefined)
  if (refused !== undefined) throw leftOutFault('argument', refused)
  return call(self, bound, named)
}

/** The method of an object, to be called. */
export function bindMethod<Self>(self: Self, method: Builtin<Self>): PyFunction {
  return new PyFunction(method.name, (positional, named) => callBuiltin(method, self, positional, named))
}

/** A str argument; throws Python's TypeError otherwise. */
export function strArgument(value: Value | undefined): Str {
  if (value !== undefined && isStr(value)) return value
  throw typeFault(value ?? null, `expected str, got ${typeName(value ?? null)}`)
}

/** Whether an argument was given and is not None. */
export function isGiven(value: Value | undefined): value is Value {
  return value !== undefined && typeName(value) !== 'NoneType'
}

/** The characters of a str argument that may be None. */
export function optionalStr(value: Value | undefined): string | undefined {
  return isGiven(value) ? plain(strArgument(value)) : undefined
}

/** A count argument with its default. */
export function countArgument(value: Value | undefined, otherwise: number): number {
  return value === undefined ? otherwise : indexArgument(value)
}
