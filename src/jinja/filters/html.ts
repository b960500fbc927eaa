import { Fault } from '../fault.ts'
import { filter, softText, type Filter } from './shared.ts'
import { escapeHtml, stripTags } from '../types/html-entities.ts'
import { iterate, lengthOf, truth } from '../types/iteration.ts'
import { escapeValue } from '../types/markup.ts'
import { spendCharacterWork } from '../meter.ts'
import { toText } from '../types/print.ts'
import { renderState } from '../render-state.ts'
import { asMarkup, concatTexts, plain, runsOf, TextBuilder, withoutMarkup, type Str } from '../types/text.ts'
import { urlize } from './urlize.ts'
import {
  bare,
  isStr,
  keyValue,
  PyBytes,
  PyDict,
  PyIterator,
  PyObjectValue,
  PySet,
  PyTuple,
  typeName,
  Undefined,
  undefinedFault,
  type Bare,
  type Value,
} from '../types/values.ts'

type Given = readonly (Value | undefined)[]

function xmlAttributes([value, autospace]: Given): Str {
  const dict = bare(value ?? null)
  if (dict instanceof Undefined) throw undefinedFault(dict)
  if (!(dict instanceof PyDict))
    throw new Fault('AttributeError', `'${typeName(dict)}' object has no attribute 'items'`)
  const pieces: Str[] = []
  for (const [key, item] of dict.entries) {
    const stripped = bare(item)
    if (stripped === null || stripped instanceof Undefined) continue
    const name = bare(keyValue(dict, key))
    if (!isStr(name))
      throw new Fault('TypeError', `expected string or bytes-like object, got '${typeName(name)}'`)
    if (/[ \t-\r/>=]/.test(plain(name)))
      throw new Fault('ValueError', `Invalid character in attribute name: '${plain(name)}'`)
    if (pieces.length > 0 || autospace === undefined || truth(autospace)) pieces.push(' ')
    pieces.push(escapeValue(name), '="', escapeValue(item), '"')
  }
  const attributes = concatTexts(pieces)
  return renderState.autoescape ? asMarkup(attributes) : attributes
}

const unreserved = /[\w.~-]/

function percentEncode(text: Str, isSafe: (character: string) => boolean): Str {
  const builder = new TextBuilder()
  let start = 0
  for (const { end, source } of runsOf(text)) {
    for (const character of plain(text).slice(start, end)) {
      if (isSafe(character)) builder.push(character, source)
      else {
        spendCharacterWork(1, 300)
        if (/^[\ud800-\udfff]$/.test(character)) throw new Fault('ValueError', 'surrogates not allowed')
        for (const byte of new TextEncoder().encode(character))
          builder.push(`%${byte.toString(16).toUpperCase().padStart(2, '0')}`, source)
      }
    }
    start = end
  }
  return builder.finish()
}

/** jinja2's url_quote; in a query a space is a plus and a slash is quoted, too. */
function quoteUrl(value: Value, isQuery: boolean): Str {
  const stripped = bare(value)
  const isSafe = (character: string): boolean => unreserved.test(character) || (character === '/' && !isQuery)
  if (stripped instanceof PyBytes) {
    const builder = new TextBuilder()
    let start = 0
    for (const { end, source } of runsOf(stripped.text)) {
      for (const byte of plain(stripped.text).slice(start, end)) {
        const code = `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
        builder.push(isSafe(byte) ? byte : isQuery && byte === ' ' ? '+' : code, source)
      }
      start = end
    }
    return builder.finish()
  }
  const text = toText(value)
  if (!isQuery) return percentEncode(text, isSafe)
  // Python replaces every %20, and only a space makes one.
  const encoded = percentEncode(text, (character) => isSafe(character) || character === ' ')
  return plain(encoded).includes(' ') ? replaceSpaces(encoded) : encoded
}

function replaceSpaces(text: Str): Str {
  const builder = new TextBuilder()
  let start = 0
  for (const { end, source } of runsOf(text)) {
    builder.push(plain(text).slice(start, end).replaceAll(' ', '+'), source)
    start = end
  }
  return builder.finish()
}

function isIterable(value: Bare): boolean {
  return (
    lengthOf(value) !== undefined ||
    value instanceof PyIterator ||
    value instanceof PySet ||
    (value instanceof PyObjectValue && value.object.next !== undefined)
  )
}

function urlEncode([value = null]: Given): Str {
  const stripped = bare(value)
  if (isStr(stripped) || !isIterable(stripped)) return quoteUrl(value, false)
  const pairs =
    stripped instanceof PyDict
      ? [...stripped.entries].map(([key, item]): Value => new PyTuple([keyValue(stripped, key), item]))
      : iterate(stripped)
  const pieces: Str[] = []
  pairs.forEach((pair, index) => {
    const [key, item, extra] = iterate(pair)
    if (key === undefined || item === undefined || extra !== undefined)
      throw new Fault('ValueError', 'a pair of a key and a value is expected')
    if (index > 0) pieces.push('&')
    pieces.push(quoteUrl(key, true), '=', quoteUrl(item, true))
  })
  return concatTexts(pieces)
}

const escape: Filter = filter('s, /', ([value]) => escapeValue(value ?? null))

/** The filters that write HTML and URLs. */
export const htmlFilters: readonly (readonly [string, Filter])[] = [
  ['e', escape],
  ['escape', escape],
  ['forceescape', filter('value', ([value]) => asMarkup(escapeHtml(withoutMarkup(softText(value)))))],
  ['safe', filter('value', ([value]) => asMarkup(softText(value)))],
  ['striptags', filter('value', ([value]) => stripTags(withoutMarkup(softText(value))))],
  ['urlencode', filter('value', urlEncode)],
  [
    'urlize',
    filter('value, trim_url_limit=, nofollow=, target=, rel=, extra_schemes=', (given) => {
      const linked = urlize(given)
      return renderState.autoescape ? asMarkup(linked) : linked
    }),
  ],
  ['xmlattr', filter('d, autospace=', xmlAttributes)],
]
