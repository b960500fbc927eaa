import { Fault } from '../fault.ts'
import { getAttribute, getItem } from './access.ts'
import { formatValue } from './format-spec.ts'
import { escapeHtml } from './html-entities.ts'
import { isMarkup } from './markup.ts'
import { enter, leave, spendReading } from '../meter.ts'
import { toRepr, toText } from './print.ts'
import { concatTexts, mapText, plain, sliceText, withoutMarkup, type Str } from './text.ts'
import {
  bare,
  isStr,
  PyDict,
  PyList,
  PyTuple,
  typeName,
  Undefined,
  undefinedFault,
  type Bare,
  type Named,
  type Value,
} from './values.ts'

/** What the fields of a format are filled from. */
interface Fields {
  readonly positional: readonly (Value | undefined)[]
  readonly named: Named
  /** What `format_map` was given where it is no dictionary. */
  readonly mapping: Bare | undefined
  /** The next field without a name; false once a field has a number. */
  next: number | false
  readonly escapes: boolean
}

/** Python's string.Formatter as jinja2's sandbox has it; Markup escapes what it is given. */
export function formatBraces(
  format: Str,
  positional: readonly (Value | undefined)[],
  named: Named,
  mapping?: Bare,
): Str {
  return expand(withoutMarkup(format), { positional, named, mapping, next: 0, escapes: isMarkup(format) }, 2)
}

function expand(format: Str, fields: Fields, depth: number): Str {
  if (depth < 0) throw new Fault('ValueError', 'Max string recursion exceeded')
  const source = plain(format)
  spendReading(source.length)
  const pieces: Str[] = []
  let offset = 0
  while (offset < source.length) {
    const character = source.charAt(offset)
    if (character !== '{' && character !== '}') {
      const following = source.slice(offset).search(/[{}]/)
      const end = following === -1 ? source.length : offset + following
      pieces.push(sliceText(format, offset, end))
      offset = end
    } else if (source.charAt(offset + 1) === character) {
      pieces.push(sliceText(format, offset, offset + 1))
      offset += 2
    } else if (character === '}') throw new Fault('ValueError', "Single '}' encountered in format string")
    else {
      const end = closing(source, offset)
      enter()
      pieces.push(expandField(sliceText(format, offset + 1, end), fields, depth))
      leave()
      offset = end + 1
    }
  }
  return concatTexts(pieces)
}

/** The brace that closes a field; brackets may hold any. */
function closing(source: string, start: number): number {
  let depth = 0
  for (let offset = start; offset < source.length; offset += 1) {
    if (source.charAt(offset) === '{') depth += 1
    else if (source.charAt(offset) === '}') {
      depth -= 1
      if (depth === 0) return offset
    }
  }
  throw new Fault('ValueError', "expected '}' before end of string")
}

function expandField(field: Str, fields: Fields, depth: number): Str {
  const body = plain(field)
  const nameEnd = /^(?:\[[^\]]*\]?|[^!:[])*/.exec(body)?.[0].length ?? 0
  const name = body.slice(0, nameEnd)
  if (/[{}]/.test(name)) throw new Fault('ValueError', "unexpected '{' in field name")
  let rest = nameEnd
  let conversion: string | undefined
  if (body.charAt(rest) === '!') {
    const given = body.codePointAt(rest + 1)
    if (given === undefined)
      throw new Fault('ValueError', 'end of string while looking for conversion specifier')
    conversion = String.fromCodePoint(given)
    rest += 1 + conversion.length
    if (rest < body.length && body.charAt(rest) !== ':')
      throw new Fault('ValueError', "expected ':' after conversion specifier")
  }
  const value = convert(resolveField(name, fields), conversion)
  const spec = rest < body.length ? expand(sliceText(field, rest + 1, body.length), fields, depth - 1) : ''
  if (!fields.escapes) return formatValue(value, plain(spec))
  const stripped = bare(value)
  if (!isMarkup(stripped)) return escapeHtml(formatValue(value, plain(spec)))
  if (plain(spec) !== '') throw new Fault('ValueError', 'Unsupported format specification for Markup.')
  return withoutMarkup(stripped)
}

function convert(value: Value, conversion: string | undefined): Value {
  if (conversion === undefined) return value
  if (conversion === 's') return toText(value)
  if (conversion === 'r') return toRepr(value)
  if (conversion === 'a') return toAscii(toRepr(value))
  throw new Fault('ValueError', `Unknown conversion specifier ${conversion}`)
}

/** Python's ascii(): a repr whose other characters are escaped. */
export function toAscii(text: Str): Str {
  const value = plain(text)
  const pieces: Str[] = []
  let start = 0
  for (const match of value.matchAll(/[^\0-\x7f]/gu)) {
    // oxlint-disable-line no-control-regex
    const code = match[0].codePointAt(0) ?? 0
    const digits = code.toString(16)
    const escape =
      code <= 0xff
        ? `\\x${digits}`
        : code <= 0xffff
          ? `\\u${digits.padStart(4, '0')}`
          : `\\U${digits.padStart(8, '0')}`
    const end = match.index + match[0].length
    pieces.push(sliceText(text, start, match.index), owned(sliceText(text, match.index, end), escape))
    start = end
  }
  return concatTexts([...pieces, sliceText(text, start, value.length)])
}

function owned(character: Str, escape: string): Str {
  return mapText(character, () => escape)
}

/** A name's parts behind the first: `.attribute` and `[item]`. */
function pathOf(path: string): { isAttribute: boolean; name: string }[] {
  const parts: { isAttribute: boolean; name: string }[] = []
  let offset = 0
  while (offset < path.length) {
    const rest = path.slice(offset)
    const [whole = '', attribute, item] = /^(?:\.([^.[]*)|\[([^\]]*)\])/.exec(rest) ?? []
    if (whole === '') {
      const message = rest.startsWith('[') ? "Missing ']' in format string" : "Only '.' or '[' may follow ']'"
      throw new Fault('ValueError', message)
    }
    const name = attribute ?? item ?? ''
    if (name === '') throw new Fault('ValueError', 'Empty attribute in format string')
    parts.push({ isAttribute: attribute !== undefined, name })
    offset += whole.length
  }
  return parts
}

function resolveField(name: string, fields: Fields): Value {
  const [, first = '', path = ''] = /^([^.[]*)([\s\S]*)$/.exec(name) ?? []
  const parts = pathOf(path)
  let value = firstOf(first, name, fields)
  for (const part of parts) {
    if (part.isAttribute) value = getAttribute(value, part.name)
    else value = getItem(value, /^\p{Nd}+$/u.test(part.name) ? Number(part.name) : part.name)
  }
  return value
}

function firstOf(first: string, name: string, fields: Fields): Value {
  let index = /^\d+$/.test(first) ? Number(first) : undefined
  // string.Formatter numbers a field only when the whole of its name is empty.
  if (name === '') {
    if (fields.next === false)
      throw new Fault(
        'ValueError',
        'cannot switch from manual field specification to automatic field numbering',
      )
    index = fields.next
    fields.next += 1
  } else if (/^\d+$/.test(name)) {
    if (fields.next !== false && fields.next > 0)
      throw new Fault(
        'ValueError',
        'cannot switch from automatic field numbering to manual field specification',
      )
    fields.next = false
  }
  if (index !== undefined) {
    const value = fields.positional[index]
    if (value !== undefined) return value
    throw new Fault('LookupError', 'Replacement index out of range for positional args tuple')
  }
  if (fields.mapping !== undefined) return itemOfMapping(fields.mapping, first)
  const value = fields.named.get(first)
  if (value === undefined) throw new Fault('LookupError', `'${first}'`)
  return value
}

function itemOfMapping(mapping: Bare, key: string): Value {
  if (mapping instanceof Undefined) throw undefinedFault(mapping)
  const hasItems =
    mapping instanceof PyDict || mapping instanceof PyList || mapping instanceof PyTuple || isStr(mapping)
  throw new Fault(
    'TypeError',
    hasItems
      ? `indices must be integers, not 'str' (${key})`
      : `'${typeName(mapping)}' object is not subscriptable`,
  )
}
