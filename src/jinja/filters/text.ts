import { Fault } from '../fault.ts'
import { applyBinary } from '../types/arithmetic.ts'
import { capitalize, lower, titleFilter, upper } from '../types/case.ts'
import { compareValues } from '../types/compare.ts'
import { attributeGetter, filter, isGiven, requireText, softText, type Filter } from './shared.ts'
import { getItem, Slice } from '../types/access.ts'
import { iterator, lengthOf, truth } from '../types/iteration.ts'
import { jsonFilter } from './json-filter.ts'
import { addTexts, escapeValue, isMarkup, joinTexts, likeSelf } from '../types/markup.ts'
import { makeDict } from '../types/keys.ts'
import { indexArgument } from '../types/numbers.ts'
import { prettyPrint } from './pretty-print.ts'
import { toText } from '../types/print.ts'
import { renderState } from '../render-state.ts'
import { split, splitLines, strip } from '../types/split.ts'
import { center, replaceText } from '../types/pad.ts'
import { asMarkup, concatTexts, plain, repeatPlain, type Str } from '../types/text.ts'
import { bare, isStr, PyTuple, typeName, type Value } from '../types/values.ts'
import { wrapWords } from './word-wrap.ts'

type Given = readonly (Value | undefined)[]

const isTrue = (value: Value | undefined): boolean => value !== undefined && truth(value)

/** Lets a filter return Markup for Markup. */
function onText(change: (text: Str) => Str): Filter['call'] {
  return ([value]) => {
    const text = softText(value)
    return likeSelf(text, change(text))
  }
}

function join([value = null, separator = '', attribute]: Given): Str {
  const get = isGiven(attribute) ? attributeGetter(attribute) : (item: Value): Value => item
  const next = iterator(value)
  const items: Value[] = []
  for (let item = next(); item !== undefined; item = next()) items.push(get(item))
  if (!renderState.autoescape) return joinTexts(toText(separator), items.map(toText))
  const delimiter = bare(separator)
  if (isMarkup(delimiter)) return joinTexts(delimiter, items.map(softText))
  const isEscaped = items.some((item) => isMarkup(bare(item)))
  return joinTexts(
    isEscaped ? escapeValue(separator) : toText(separator),
    items.map((item) => softText(item)),
  )
}

function replace([value = null, old = null, replacement = null, count]: Given): Str {
  const limit = isGiven(count) ? indexArgument(count) : -1
  if (!renderState.autoescape) return replaceText(toText(value), toText(old), toText(replacement), limit)
  const escapes = isMarkup(bare(old)) || (isMarkup(bare(replacement)) && !isMarkup(bare(value)))
  const text = escapes ? escapeValue(value) : softText(value)
  const inserted = softText(replacement)
  return likeSelf(
    text,
    replaceText(text, softText(old), isMarkup(text) ? escapeValue(inserted) : inserted, limit),
  )
}

function indent([value, width, first, blank]: Given): Str {
  const given = bare(width ?? 4)
  const space = isStr(given) ? given : repeatPlain(' ', indexArgument(given))
  const text = requireText(
    value,
    (type) => new Fault('TypeError', `unsupported operand type(s) for +=: '${type}' and 'str'`),
  )
  // jinja2 appends a newline, so that a last empty line counts.
  const lines = splitLines(concatTexts([text, '\n']), false)
  const indentBlank = isTrue(blank)
  const isEscaping = isMarkup(space) && !isMarkup(text)
  const pieces: Str[] = []
  lines.forEach((line, index) => {
    if (index > 0) pieces.push('\n')
    const isIndented = index === 0 ? isTrue(first) : indentBlank || plain(line) !== ''
    if (isIndented) pieces.push(space)
    pieces.push(isEscaping ? escapeValue(line) : line)
  })
  return isMarkup(text) || isEscaping ? asMarkup(concatTexts(pieces)) : concatTexts(pieces)
}

function truncate([value = null, length = 255, kill, end = '...', leeway]: Given): Value {
  const endLength = lengthOf(end)
  const count = lengthOf(value)
  const slack = isGiven(leeway) ? leeway : 5
  if (endLength === undefined) throw new Fault('TypeError', `object of type '${typeName(end)}' has no len()`)
  if (compareValues(length, endLength, '>=') < 0)
    throw new Fault('ValueError', `expected length >= ${endLength}`)
  if (compareValues(slack, 0, '>=') < 0) throw new Fault('ValueError', 'expected leeway >= 0')
  if (count === undefined) throw new Fault('TypeError', `object of type '${typeName(value)}' has no len()`)
  if (compareValues(count, applyBinary('+', length, slack), '<=') <= 0) return value
  const cut = getItem(value, new Slice(null, applyBinary('-', length, endLength), null))
  if (isTrue(kill)) return applyBinary('+', cut, end)
  const text = bare(cut)
  if (!isStr(text)) throw new Fault('AttributeError', `'${typeName(text)}' object has no attribute 'rsplit'`)
  const [kept = ''] = split(text, ' ', 1, true)
  const ending = bare(end)
  if (!isStr(ending))
    throw new Fault('TypeError', `can only concatenate str (not "${typeName(ending)}") to str`)
  return addTexts(kept, ending)
}

/** The filters whose result is text. */
export const textFilters: readonly (readonly [string, Filter])[] = [
  ['capitalize', filter('s', onText(capitalize))],
  [
    'center',
    filter('value, width=', ([value, width = 80]) => {
      const text = softText(value)
      return likeSelf(text, center(text, width))
    }),
  ],
  [
    'format',
    filter('value, *args', ([value, ...given], named) => {
      if (named.has('value'))
        throw new Fault('TypeError', "format() got multiple values for argument 'value'")
      if (given.length > 0 && named.size > 0) {
        throw new Fault(
          'FilterArgumentError',
          "can't handle positional and keyword arguments at the same time",
        )
      }
      const values = named.size > 0 ? makeDict(named) : new PyTuple(given.map((item) => item ?? null))
      return applyBinary('%', softText(value), values)
    }),
  ],
  ['indent', filter('s, width=, first=, blank=', indent)],
  ['join', filter('value, d=, attribute=', join)],
  ['lower', filter('s', onText(lower))],
  ['pprint', filter('value', ([value]) => prettyPrint(value ?? null))],
  ['replace', filter('s, old, new, count=', replace)],
  ['string', filter('object, /', ([value]) => softText(value))],
  ['title', filter('s', ([text]) => titleFilter(softText(text)))],
  ['tojson', filter('x, ensure_ascii=, indent=, separators=, sort_keys=', jsonFilter)],
  [
    'trim',
    filter('value, chars=', ([value, set]) => {
      const text = softText(value)
      const given = bare(set ?? null)
      if (given !== null && !isStr(given)) throw new Fault('TypeError', 'strip arg must be None or str')
      return likeSelf(text, strip(text, given === null ? undefined : plain(given), 'both'))
    }),
  ],
  ['truncate', filter('s, length=, killwords=, end=, leeway=', truncate)],
  ['upper', filter('s', onText(upper))],
  ['wordwrap', filter('s, width=, break_long_words=, wrapstring=, break_on_hyphens=', wrapWords)],
]
