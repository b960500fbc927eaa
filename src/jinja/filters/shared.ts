import { signature, type Signature } from '../types/parameters.ts'
import { getItem } from '../types/access.ts'
import { lower } from '../types/case.ts'
import { toText } from '../types/print.ts'
import { plain, type Str } from '../types/text.ts'
import { bare, isStr, typeName, Undefined, undefinedFault, type Named, type Value } from '../types/values.ts'
import { Fault } from '../fault.ts'

/** A filter: its parameters (the filtered value first) and what it does with them. */
export interface Filter {
  readonly signature: Signature
  readonly call: (given: readonly (Value | undefined)[], named: Named) => Value
}

/** Makes a filter from its parameters as Python writes them. */
export function filter(parameters: string, call: Filter['call']): Filter {
  return { signature: signature(parameters), call }
}

/** markupsafe's soft_str: a str stays itself (Markup too), anything else is printed. */
export function softText(value: Value | undefined): Str {
  const stripped = bare(value ?? null)
  return isStr(stripped) ? stripped : toText(value ?? null)
}

/** The text of a filter that, unlike most, does not print a value of another type first. */
export function requireText(value: Value | undefined, complaint: (type: string) => Fault): Str {
  const stripped = bare(value ?? null)
  if (isStr(stripped)) return stripped
  throw stripped instanceof Undefined ? undefinedFault(stripped) : complaint(typeName(stripped))
}

/** Whether an argument was given and is not None. */
export function isGiven(value: Value | undefined): value is Value {
  return value !== undefined && bare(value) !== null
}

/** jinja2's ignore_case: strings compare by their small letters. */
export function ignoreCase(value: Value): Value {
  const stripped = bare(value)
  return isStr(stripped) ? lower(stripped) : value
}

/** jinja2's make_attrgetter: `a.b.0` walks items and attributes; a default stands for what is undefined. */
export function attributeGetter(attribute: Value | undefined, otherwise?: Value): (item: Value) => Value {
  const path = attributePath(attribute)
  return (item) => {
    let value = item
    for (const part of path) {
      value = getItem(value, part)
      if (isGiven(otherwise) && value instanceof Undefined) value = otherwise
    }
    return value
  }
}

function attributePath(attribute: Value | undefined): Value[] {
  const stripped = bare(attribute ?? null)
  if (stripped === null) return []
  if (!isStr(stripped)) return [stripped]
  return plain(stripped)
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}
