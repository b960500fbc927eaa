import { Fault } from '../fault.ts'
import { formFault } from '../left-out.ts'
import { spendCharacters, spendSteps } from '../meter.ts'
import { defineBuiltins, isGiven, strArgument, type Given } from '../types/builtin.ts'
import { capitalize, lower, titleFilter, upper } from '../types/case.ts'
import { iterate, iterator, truth } from '../types/iteration.ts'
import { toJson } from '../types/json.ts'
import { formatPercent } from '../types/format.ts'
import { indexArgument } from '../types/numbers.ts'
import { toText } from '../types/print.ts'
import { replaceText, splitLines, strip } from '../types/split.ts'
import { concatTexts, joinTexts, plain, type Str } from '../types/text.ts'
import {
  isStr,
  SafeText,
  strOf,
  tupleOf,
  typeFault,
  typeName,
  type Named,
  type Value,
} from '../types/values.ts'
import { attributeGetter } from './attribute.ts'

const isTrue = (value: Value | undefined): boolean => value !== undefined && truth(value)

function format(value: Value, given: Given, named: Named): Value {
  if (named.size > 0) throw formFault('a named field of %')
  return formatPercent(toText(value), tupleOf(given.map((item) => item ?? null)))
}

/** Text of an indentation: so many spaces, or the text that is given. */
function indentation(given: Value): Str {
  if (isStr(given)) return given
  const count = Math.max(0, indexArgument(given))
  spendCharacters(count)
  return ' '.repeat(count)
}

function indent(value: Value, [width = 4, first, blank]: Given): Str {
  if (!isStr(value))
    throw typeFault(value, `unsupported operand type(s) for +=: '${typeName(value)}' and 'str'`)
  const space = indentation(width)
  // jinja2 appends a newline, so that a last empty line counts.
  const lines = splitLines(concatTexts([value, '\n']), false).map((line, index) => {
    const isIndented = index === 0 ? isTrue(first) : isTrue(blank) || plain(line) !== ''
    return isIndented ? concatTexts([space, line]) : line
  })
  return joinTexts('\n', lines)
}

function join(value: Value, [separator = '', attribute]: Given): Str {
  const get = isGiven(attribute) ? attributeGetter(attribute) : (item: Value): Value => item
  const next = iterator(value)
  const items: Str[] = []
  for (let item = next(); item !== undefined; item = next()) {
    // Besides drawing it.
    spendSteps(1)
    items.push(toText(get(item)))
  }
  return joinTexts(toText(separator), items)
}

function trim(value: Value, [set]: Given): Str {
  const characters = strOf(set)
  if (isGiven(set) && characters === undefined) throw new Fault('TypeError', 'strip arg must be None or str')
  return strip(toText(value), characters, 'both')
}

/** transformers' `tojson`: json.dumps with non-ASCII characters as they are. */
function tojson(value: Value, [ensureAscii, width, separators, sortKeys]: Given): Str {
  // json.dumps writes a str before it looks at the layout.
  const isLaidOut = !isStr(value)
  const indent = isLaidOut && isGiven(width) ? indentation(width) : undefined
  const [itemSeparator = '', keySeparator = '', ...more] = isGiven(separators)
    ? iterate(separators)
    : [indent === undefined ? ', ' : ',', ': ']
  if (more.length > 0 || keySeparator === '') throw new Fault('ValueError', 'two separators are expected')
  return toJson(value, {
    ensureAscii: isTrue(ensureAscii),
    indent,
    itemSeparator: isLaidOut ? strArgument(itemSeparator) : '',
    keySeparator: isLaidOut ? strArgument(keySeparator) : '',
    sortKeys: isTrue(sortKeys),
  })
}

/** The filters whose result is text. */
export const textFilters = defineBuiltins<Value>({
  'capitalize()': (value) => capitalize(toText(value)),
  'format(*)': format,
  'indent(width=, first=, blank=)': indent,
  'join(d=, attribute=)': join,
  'lower()': (value) => lower(toText(value)),
  'replace(old, new, count=)': (value, [old = null, replacement = null, count]) => {
    const limit = isGiven(count) ? indexArgument(count) : -1
    return replaceText(toText(value), toText(old), toText(replacement), limit)
  },
  'safe()': (value) => new SafeText(toText(value)),
  'string()': (value) => (value instanceof SafeText ? value : toText(value)),
  'title()': (value) => titleFilter(toText(value)),
  'tojson(ensure_ascii=, indent=, separators=, sort_keys=)': tojson,
  'trim(chars=)': trim,
  'upper()': (value) => upper(toText(value)),
})
