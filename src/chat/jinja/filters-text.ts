import { Fault } from './fault.ts'
import { applyBinary } from './arithmetic.ts'
import { capitalize, lower, titleFilter, upper } from './case.ts'
import { filter, isGiven, requireText, softText, type Filter } from './filter-shared.ts'
import { formatNumber } from './format-number.ts'
import { escapeHtml } from './html.ts'
import { toJson } from './json.ts'
import { asNumber, indexArgument } from './numbers.ts'
import { toRepr, toText } from './print.ts'
import { split, splitLines, strip } from './split.ts'
import { center, replaceText } from './string-methods.ts'
import {
  asMarkup,
  codePointLength,
  concatTexts,
  plain,
  repeatPlain,
  runsOf,
  sliceText,
  TextBuilder,
  utf16Offset,
  type Str,
} from './text.ts'
import {
  bare,
  isStr,
  iterate,
  lengthOf,
  PyDict,
  PyTuple,
  truth,
  typeName,
  Undefined,
  type Value,
} from './values.ts'
import { attributeGetter } from './filter-shared.ts'
import { makeDict } from './keys.ts'
import { wrapWords } from './word-wrap.ts'

function escape(value: Value | undefined): Str {
  const text = softText(value)
  return typeof text !== 'string' && text.markup ? text : asMarkup(escapeHtml(text))
}

function join(items: readonly Value[], separator: Str): Str {
  const pieces: Str[] = []
  items.forEach((item, index) => {
    if (index > 0) pieces.push(separator)
    pieces.push(toText(item))
  })
  return concatTexts(pieces)
}

function indent([value, width, first, blank]: readonly (Value | undefined)[]): Str {
  const given = bare(width ?? 4)
  const space = isStr(given) ? given : repeatPlain(' ', indexArgument(given))
  // jinja2 appends a newline, so that a last empty line counts.
  const text = requireText(
    value,
    (type) => new Fault('TypeError', `unsupported operand type(s) for +=: '${type}' and 'str'`),
  )
  const lines = splitLines(concatTexts([text, '\n']), false)
  const indentBlank = blank !== undefined && truth(blank)
  const pieces: Str[] = []
  lines.forEach((line, index) => {
    if (index > 0) pieces.push('\n')
    const isIndented = index === 0 ? first !== undefined && truth(first) : indentBlank || plain(line) !== ''
    if (isIndented) pieces.push(space)
    pieces.push(line)
  })
  return concatTexts(pieces)
}

function truncate([value, length, kill, end, leeway]: readonly (Value | undefined)[]): Str {
  if (lengthOf(value ?? null) === undefined)
    throw new Fault('TypeError', `object of type '${typeName(value ?? null)}' has no len()`)
  const text = softText(value)
  const most = length === undefined ? 255 : indexArgument(length)
  const ending = end === undefined ? '...' : softText(end)
  const slack = isGiven(leeway) ? indexArgument(leeway) : 5
  const endLength = codePointLength(plain(ending))
  if (most < endLength) throw new Fault('ValueError', `expected length >= ${endLength}, got ${most}`)
  if (slack < 0) throw new Fault('ValueError', `expected leeway >= 0, got ${slack}`)
  if (codePointLength(plain(text)) <= most + slack) return text
  const cut = sliceText(text, 0, utf16Offset(plain(text), most - endLength))
  if (kill !== undefined && truth(kill)) return concatTexts([cut, ending])
  const [kept = ''] = split(cut, ' ', 1, true)
  return concatTexts([kept, ending])
}

function tojson([value, ascii, indentation, separators, sort]: readonly (Value | undefined)[]): Str {
  const given = bare(indentation ?? null)
  const indent = given === null ? undefined : isStr(given) ? given : repeatPlain(' ', indexArgument(given))
  let itemSeparator: Str = indent === undefined ? ', ' : ','
  let keySeparator: Str = ': '
  if (isGiven(separators)) {
    const [item, key] = iterate(separators)
    if (item === undefined || key === undefined)
      throw new Fault('ValueError', 'not enough values to unpack (expected 2)')
    itemSeparator = softText(item)
    keySeparator = softText(key)
  }
  const options = {
    ensureAscii: ascii !== undefined && truth(ascii),
    indent,
    itemSeparator,
    keySeparator,
    sortKeys: sort !== undefined && truth(sort),
  }
  return toJson(value ?? null, options)
}

function urlEncode(value: Value | undefined): Str {
  const stripped = bare(value ?? null)
  const quote = (text: Str, safe: RegExp): Str => {
    const builder = new TextBuilder()
    let start = 0
    for (const { end, source } of runsOf(text)) {
      const encoded = Array.from(plain(text).slice(start, end), (character) =>
        safe.test(character)
          ? character
          : [...new TextEncoder().encode(character)]
              .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
              .join(''),
      )
      builder.push(encoded.join(''), source)
      start = end
    }
    return builder.finish()
  }
  if (isStr(stripped) || (!(stripped instanceof PyDict) && asNumber(stripped) !== undefined))
    return quote(softText(stripped), /[\w.~/-]/)
  const pairs =
    stripped instanceof PyDict
      ? [...stripped.entries].map(([key, item]): Value => new PyTuple([key, item]))
      : iterate(stripped)
  const pieces: Str[] = []
  pairs.forEach((pair, index) => {
    const [key = '', item = ''] = iterate(pair)
    if (index > 0) pieces.push('&')
    const part = (text: Str): Str => replaceText(quote(text, /[\w.~ -]/), ' ', '+', -1)
    pieces.push(part(toText(key)), '=', part(toText(item)))
  })
  return concatTexts(pieces)
}

function fileSize([value, binary]: readonly (Value | undefined)[]): Str {
  const size = asNumber(value ?? null) ?? Number(plain(softText(value)))
  if (Number.isNaN(size)) throw new Fault('ValueError', 'could not convert to a size')
  const base = binary !== undefined && truth(binary) ? 1024 : 1000
  if (size === 1) return '1 Byte'
  if (size < base) return `${Math.trunc(size)} Bytes`
  const prefixes =
    base === 1024
      ? ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
      : ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB']
  let index = 0
  while (index < prefixes.length - 1 && size >= base ** (index + 2)) index += 1
  return `${formatNumber((base * size) / base ** (index + 2), { type: 'f', precision: 1 })} ${prefixes[index] ?? ''}`
}

function stripTags(value: Value | undefined): Str {
  const text = softText(value)
  const source = plain(text)
  const pieces: Str[] = []
  let offset = 0
  for (let start = source.indexOf('<'); start !== -1; start = source.indexOf('<', offset)) {
    const isComment = source.startsWith('<!--', start)
    const end = isComment ? source.indexOf('-->', start + 4) : source.indexOf('>', start)
    if (end === -1) break
    pieces.push(sliceText(text, offset, start))
    offset = end + (isComment ? 3 : 1)
  }
  pieces.push(sliceText(text, offset, source.length))
  const words = split(concatTexts(pieces), undefined, -1, false)
  return concatTexts(words.flatMap((word, index) => (index > 0 ? [' ', word] : [word])))
}

function xmlAttributes([value, autospace]: readonly (Value | undefined)[]): Str {
  const dict = bare(value ?? null)
  if (!(dict instanceof PyDict))
    throw new Fault('AttributeError', `'${typeName(dict)}' object has no attribute 'items'`)
  const pieces: Str[] = []
  for (const [key, item] of dict.entries) {
    const stripped = bare(item)
    if (stripped === null || stripped instanceof Undefined) continue
    if (/[\s/>=]/.test(String(key)))
      throw new Fault('ValueError', `Invalid character in attribute name: '${String(key)}'`)
    pieces.push(pieces.length > 0 || autospace === undefined || truth(autospace) ? ' ' : '')
    pieces.push(escape(String(key)), '="', escape(item), '"')
  }
  return concatTexts(pieces)
}

/** The filters whose result is text. */
export const textFilters: readonly (readonly [string, Filter])[] = [
  ['capitalize', filter('s', ([text]) => capitalize(softText(text)))],
  ['center', filter('value, width=', ([text, width]) => center(softText(text), width ?? 80))],
  ['e', filter('s, /', ([value]) => escape(value))],
  ['escape', filter('s, /', ([value]) => escape(value))],
  ['filesizeformat', filter('value, binary=', fileSize)],
  ['forceescape', filter('value', ([value]) => asMarkup(escapeHtml(softText(value))))],
  [
    'format',
    filter('value, *args', ([value, ...given], named) => {
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
  [
    'join',
    filter('value, d=, attribute=', ([value, separator, attribute]) => {
      const items = iterate(value ?? null)
      return join(
        isGiven(attribute) ? items.map(attributeGetter(attribute)) : items,
        separator === undefined ? '' : toText(separator),
      )
    }),
  ],
  ['lower', filter('s', ([text]) => lower(softText(text)))],
  ['pprint', filter('value', ([value]) => toRepr(value ?? null))],
  [
    'replace',
    filter('s, old, new, count=', ([text, old, replacement, count]) =>
      replaceText(
        toText(text ?? null),
        toText(old ?? null),
        toText(replacement ?? null),
        isGiven(count) ? indexArgument(count) : -1,
      ),
    ),
  ],
  ['safe', filter('value', ([value]) => asMarkup(softText(value)))],
  ['string', filter('object', ([value]) => softText(value))],
  ['striptags', filter('value', ([value]) => stripTags(value))],
  ['title', filter('s', ([text]) => titleFilter(softText(text)))],
  ['tojson', filter('x, ensure_ascii=, indent=, separators=, sort_keys=', tojson)],
  [
    'trim',
    filter('value, chars=', ([text, set]) =>
      strip(softText(text), isGiven(set) ? plain(softText(set)) : undefined, 'both'),
    ),
  ],
  ['truncate', filter('s, length=, killwords=, end=, leeway=', truncate)],
  ['upper', filter('s', ([text]) => upper(softText(text)))],
  ['urlencode', filter('value', ([value]) => urlEncode(value))],
  ['wordwrap', filter('s, width=, break_long_words=, wrapstring=, break_on_hyphens=', wrapWords)],
  ['xmlattr', filter('d, autospace=', xmlAttributes)],
]
