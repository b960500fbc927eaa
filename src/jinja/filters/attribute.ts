import { getItem } from '../types/access.ts'
import { isGiven } from '../types/builtin.ts'
import { lower } from '../types/case.ts'
import { bare, isStr, strOf, Undefined, type Value } from '../types/values.ts'

/** jinja2's ignore_case: strings compare by their small letters. */
export function ignoreCase(value: Value): Value {
  return isStr(value) ? lower(value) : value
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
  if (attribute === undefined || bare(attribute) === null) return []
  return (
    strOf(attribute)
      ?.split('.')
      .map((part) => (/^\d+$/.test(part) ? Number(part) : part)) ?? [attribute]
  )
}
