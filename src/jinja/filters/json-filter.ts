import { Fault } from '../fault.ts'
import { isGiven, softText } from './shared.ts'
import { iterate, truth } from '../types/iteration.ts'
import { toJson } from '../types/json.ts'
import { indexArgument } from '../types/numbers.ts'
import { repeatPlain, type Str } from '../types/text.ts'
import { bare, isStr, typeName, type Value } from '../types/values.ts'

const isTrue = (value: Value | undefined): boolean => value !== undefined && truth(value)

/** transformers' `tojson`: json.dumps with non-ASCII characters as they are. */
export function jsonFilter([value = null, ensureAscii, indentation, separators, sortKeys]: readonly (
  | Value
  | undefined
)[]): Str {
  // json.dumps writes a str before it looks at the layout.
  const isText = isStr(bare(value))
  const given = bare(indentation ?? null)
  let indent: Str | undefined
  if (given !== null && !isText) indent = isStr(given) ? given : repeatPlain(' ', indexArgument(given))
  let itemSeparator: Str = indent === undefined ? ', ' : ','
  let keySeparator: Str = ': '
  if (isGiven(separators)) {
    const [item, key, extra] = iterate(separators)
    if (item === undefined || key === undefined || extra !== undefined)
      throw new Fault('ValueError', 'two separators are expected')
    for (const separator of [item, key]) {
      if (!isText && !isStr(bare(separator)))
        throw new Fault('TypeError', `a separator must be str, not ${typeName(separator)}`)
    }
    itemSeparator = softText(item)
    keySeparator = softText(key)
  }
  return toJson(value, {
    ensureAscii: isTrue(ensureAscii),
    indent,
    itemSeparator,
    keySeparator,
    sortKeys: isTrue(sortKeys),
  })
}
