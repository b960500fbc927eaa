import { Fault } from '../fault.ts'
import { bindArguments, signature, type Signature } from './parameters.ts'
import { indexArgument } from './numbers.ts'
import { plain, type Str } from './text.ts'
import {
  bare,
  isStr,
  PLACE,
  PyFunction,
  typeName,
  Undefined,
  undefinedFault,
  type Named,
  type Value,
} from './values.ts'

/** A method of a Python type. */
export interface Method<T> {
  readonly signature: Signature
  call(self: T, given: (Value | undefined)[], named: Named): Value
}

/** Makes a method from its parameters as Python writes them. */
export function method<T>(parameters: string, call: Method<T>['call']): Method<T> {
  return { signature: signature(parameters), call }
}

/** The method of an object, to be called. */
export function bindMethod<T>(self: T, type: string, name: string, found: Method<T>): PyFunction {
  return new PyFunction(
    name,
    (positional, named) =>
      found.signature.variadic
        ? found.call(self, [...positional], named)
        : found.call(self, bindArguments(name, found.signature, positional, named), named),
    undefined,
    describeMethod(type, name),
  )
}

// Methods of the class: of an object, too, Python shows the class as their owner.
const classMethods: ReadonlySet<string> = new Set(['from_bytes', 'fromhex', 'fromkeys', 'maketrans'])

/** How a method prints that is not called. */
export function describeMethod(type: string, name: string): string {
  return `<built-in method ${name} of ${classMethods.has(name) ? 'type' : type} object at ${PLACE}>`
}

/** A str argument; throws Python's TypeError otherwise. */
export function strArgument(value: Value | undefined): Str {
  const stripped = bare(value ?? null)
  if (isStr(stripped)) return stripped
  if (stripped instanceof Undefined) throw undefinedFault(stripped)
  throw new Fault('TypeError', `expected str, got ${typeName(stripped)}`)
}

/** The characters of a str argument that may be None. */
export function optionalStr(value: Value | undefined): string | undefined {
  return value === undefined || bare(value) === null ? undefined : plain(strArgument(value))
}

/** A count argument with its default. */
export function countArgument(value: Value | undefined, otherwise: number): number {
  return value === undefined ? otherwise : indexArgument(value)
}
