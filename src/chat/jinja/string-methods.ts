import { capitalize, isAll, isTitle, lower, swapCase, title, upper } from './case.ts'
import { Fault } from './fault.ts'
import { makeDict } from './keys.ts'
import { indexArgument } from './numbers.ts'
import { bindArguments, signature, type Signature } from './parameters.ts'
import { spendCharacters, spendReading } from './meter.ts'
import { formatBraces } from './brace-format.ts'
import { escapeHtml } from './html.ts'
import { isSpace, split, splitLines, strip } from './split.ts'
import {
  asMarkup,
  characters,
  codePointLength,
  concatTexts,
  mapText,
  plain,
  sliceText,
  TextBuilder,
  sourceAt,
  utf16Offset,
  type Str,
} from './text.ts'
import {
  bare,
  isStr,
  iterate,
  PyDict,
  PyList,
  PyTuple,
  truth,
  typeName,
  Undefined,
  undefinedFault,
  type Named,
  type Value,
} from './values.ts'

interface Method {
  readonly signature: Signature
  call(self: Str, given: (Value | undefined)[], named: Named): Value
}

function method(parameters: string, call: Method['call']): Method {
  return { signature: signature(parameters), call }
}

/** A str argument; throws Python's TypeError otherwise. */
function str(value: Value | undefined): Str {
  const stripped = bare(value ?? null)
  if (isStr(stripped)) return stripped
  if (stripped instanceof Undefined) throw undefinedFault(stripped)
  throw new Fault('TypeError', `expected str, got ${typeName(stripped)}`)
}

function optionalStr(value: Value | undefined): string | undefined {
  return value === undefined || bare(value) === null ? undefined : plain(str(value))
}

/** The UTF-16 window of `start` and `end` arguments, which count code points, from the end when negative. */
function windowOf(
  value: string,
  start: Value | undefined,
  end: Value | undefined,
): { from: number; to: number; valid: boolean } {
  const length = codePointLength(value)
  const clamp = (given: Value | undefined, otherwise: number): number => {
    if (given === undefined || bare(given) === null) return otherwise
    const index = indexArgument(given)
    return index < 0 ? Math.max(0, index + length) : index
  }
  const first = clamp(start, 0)
  const last = Math.min(length, clamp(end, length))
  return {
    from: utf16Offset(value, Math.min(first, length)),
    to: utf16Offset(value, last),
    valid: first <= last,
  }
}

function find(self: Str, [sub, start, end]: (Value | undefined)[], fromRight: boolean): number {
  const value = plain(self)
  const wanted = plain(str(sub))
  const { from, to, valid } = windowOf(value, start, end)
  if (!valid) return -1
  const part = value.slice(from, to)
  const index = fromRight ? part.lastIndexOf(wanted) : part.indexOf(wanted)
  return index === -1 ? -1 : codePointLength(value.slice(0, from + index))
}

function indexOrFail(index: number): number {
  if (index === -1) throw new Fault('ValueError', 'substring not found')
  return index
}

function startsOrEnds(name: 'startswith' | 'endswith'): Method {
  return method('prefix, start=, end=, /', (self, [given, start, end]) => {
    const stripped = bare(given ?? null)
    const wanted = stripped instanceof PyTuple ? stripped.items : [given]
    const value = plain(self)
    const { from, to, valid } = windowOf(value, start, end)
    const part = value.slice(from, to)
    return wanted.some((item) => {
      if (item === undefined || !isStr(bare(item))) {
        const shown = typeName(item ?? null)
        throw new Fault('TypeError', `${name} first arg must be str or a tuple of str, not ${shown}`)
      }
      const text = plain(str(item))
      return valid && (name === 'startswith' ? part.startsWith(text) : part.endsWith(text))
    })
  })
}

/** Python's replace; the replacement keeps its own sources. */
export function replaceText(self: Str, old: Str, replacement: Str, limit: number): Str {
  const value = plain(self)
  const wanted = plain(old)
  const most = limit < 0 ? Number.POSITIVE_INFINITY : limit
  if (most === 0 || (wanted !== '' && !value.includes(wanted))) return self
  const pieces: Str[] = []
  if (wanted === '') {
    const all = characters(self)
    all.forEach((character, index) => pieces.push(...(index < most ? [replacement, character] : [character])))
    if (all.length < most) pieces.push(replacement)
  } else {
    split(self, wanted, limit, false).forEach((part, index) =>
      pieces.push(...(index > 0 ? [replacement, part] : [part])),
    )
  }
  return concatTexts(pieces)
}

/** Fills up to a width on one or both sides. */
function justify(
  self: Str,
  width: Value | undefined,
  fill: Value | undefined,
  side: 'left' | 'right' | 'center',
): Str {
  const filler = fill === undefined ? ' ' : plain(str(fill))
  if (codePointLength(filler) !== 1)
    throw new Fault('TypeError', 'The fill character must be exactly one character long')
  const target = indexArgument(width ?? 0)
  const missing = target - codePointLength(plain(self))
  if (missing <= 0) return self
  spendCharacters(missing * filler.length)
  // CPython's own rule for the odd character.
  const left = side === 'left' ? 0 : side === 'right' ? missing : (missing >> 1) + (missing & target & 1)
  return concatTexts([filler.repeat(left), self, filler.repeat(missing - left)])
}

/** Python's center with spaces. */
export function center(self: Str, width: Value): Str {
  return justify(self, width, undefined, 'center')
}

function partition(self: Str, separator: Value | undefined, fromRight: boolean): PyTuple {
  const value = plain(self)
  const wanted = plain(str(separator))
  if (wanted === '') throw new Fault('ValueError', 'empty separator')
  const index = fromRight ? value.lastIndexOf(wanted) : value.indexOf(wanted)
  if (index === -1) return new PyTuple(fromRight ? ['', '', self] : [self, '', ''])
  const end = index + wanted.length
  return new PyTuple([
    sliceText(self, 0, index),
    sliceText(self, index, end),
    sliceText(self, end, value.length),
  ])
}

function everyCharacter(pattern: RegExp): Method {
  return method(
    '',
    (self) => plain(self) !== '' && [...plain(self)].every((character) => pattern.test(character)),
  )
}

function joinTexts(separator: Str, items: readonly Value[]): Str {
  const pieces: Str[] = []
  const isMarkup = typeof separator !== 'string' && separator.markup
  items.forEach((item, index) => {
    const text = bare(item)
    if (!isStr(text)) {
      throw new Fault('TypeError', `sequence item ${index}: expected str instance, ${typeName(text)} found`)
    }
    if (index > 0) pieces.push(separator)
    pieces.push(isMarkup && !(typeof text !== 'string' && text.markup) ? escapeHtml(text) : text)
  })
  return concatTexts(pieces)
}

function zeroFill(self: Str, width: Value | undefined): Str {
  const missing = indexArgument(width ?? 0) - codePointLength(plain(self))
  if (missing <= 0) return self
  spendCharacters(missing)
  const signLength = /^[+-]/.test(plain(self)) ? 1 : 0
  return concatTexts([
    sliceText(self, 0, signLength),
    '0'.repeat(missing),
    sliceText(self, signLength, plain(self).length),
  ])
}

function expandTabs(self: Str, size: Value | undefined): Str {
  const tab = size === undefined ? 8 : indexArgument(size)
  const builder = new TextBuilder()
  let column = 0
  let offset = 0
  for (const character of plain(self)) {
    const source = sourceAt(self, offset)
    offset += character.length
    if (character === '\t') {
      const count = tab > 0 ? tab - (column % tab) : 0
      spendCharacters(count)
      builder.push(' '.repeat(count), source)
      column += count
    } else {
      builder.push(character, source)
      column = character === '\n' || character === '\r' ? 0 : column + 1
    }
  }
  return builder.finish()
}

function translate(self: Str, table: Value | undefined): Str {
  const dict = bare(table ?? null)
  if (!(dict instanceof PyDict))
    throw new Fault('TypeError', `'${typeName(dict)}' object is not a translation table`)
  return concatTexts(
    characters(self).map((character) => {
      const replacement = bare(dict.entries.get(plain(character).codePointAt(0) ?? 0) ?? character)
      if (replacement === null) return ''
      if (isStr(replacement)) return replacement
      return String.fromCodePoint(indexArgument(replacement))
    }),
  )
}

const maximum = (value: Value | undefined): number => (value === undefined ? -1 : indexArgument(value))

/** The methods of Python's str, without `encode`: a template has no bytes. */
const methods: ReadonlyMap<string, Method> = new Map([
  ['capitalize', method('', (self) => capitalize(self))],
  [
    'casefold',
    method('', (self) =>
      mapText(self, (value) => value.toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ')),
    ),
  ],
  ['center', method('width, fillchar=, /', (self, [width, fill]) => justify(self, width, fill, 'center'))],
  [
    'count',
    method('sub, start=, end=, /', (self, [sub, start, end]) => {
      const { from, to, valid } = windowOf(plain(self), start, end)
      if (!valid) return 0
      const part = plain(self).slice(from, to)
      const wanted = plain(str(sub))
      return wanted === '' ? codePointLength(part) + 1 : part.split(wanted).length - 1
    }),
  ],
  ['endswith', startsOrEnds('endswith')],
  ['expandtabs', method('tabsize=', (self, [size]) => expandTabs(self, size))],
  ['find', method('sub, start=, end=, /', (self, given) => find(self, given, false))],
  [
    'format',
    { signature: signature('*args'), call: (self, given, named) => formatBraces(self, given, named) },
  ],
  [
    'format_map',
    method('mapping, /', (self, [mapping]) => {
      const dict = bare(mapping ?? null)
      if (!(dict instanceof PyDict)) throw new Fault('TypeError', 'format_map() wants a mapping')
      const named = new Map<string, Value>()
      for (const [key, value] of dict.entries) if (typeof key === 'string') named.set(key, value)
      return formatBraces(self, [], named)
    }),
  ],
  ['index', method('sub, start=, end=, /', (self, given) => indexOrFail(find(self, given, false)))],
  ['isalnum', everyCharacter(/[\p{L}\p{Nd}\p{No}\p{Nl}]/u)],
  ['isalpha', everyCharacter(/\p{L}/u)],
  // oxlint-disable-next-line no-control-regex -- ASCII is the range meant
  ['isascii', method('', (self) => /^[\u0000-\u007f]*$/.test(plain(self)))],
  ['isdecimal', everyCharacter(/\p{Nd}/u)],
  ['isdigit', everyCharacter(/[\p{Nd}²³¹⁰-⁹₀-₉①-⑨]/u)],
  ['isidentifier', method('', (self) => /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(plain(self)))],
  ['islower', method('', (self) => isAll('lower', plain(self)))],
  ['isnumeric', everyCharacter(/[\p{Nd}\p{No}\p{Nl}]/u)],
  [
    'isprintable',
    method('', (self) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(plain(self))),
  ],
  ['isspace', method('', (self) => plain(self) !== '' && [...plain(self)].every(isSpace))],
  ['istitle', method('', (self) => isTitle(plain(self)))],
  ['isupper', method('', (self) => isAll('upper', plain(self)))],
  ['join', method('iterable, /', (self, [items]) => joinTexts(self, iterate(items ?? null)))],
  ['ljust', method('width, fillchar=, /', (self, [width, fill]) => justify(self, width, fill, 'left'))],
  ['lower', method('', (self) => lower(self))],
  ['lstrip', method('chars=, /', (self, [set]) => strip(self, optionalStr(set), 'left'))],
  ['maketrans', method('x, y=, z=, /', (_, given) => makeTranslation(given))],
  ['partition', method('sep, /', (self, [separator]) => partition(self, separator, false))],
  [
    'removeprefix',
    method('prefix, /', (self, [given]) => {
      const prefix = plain(str(given))
      return plain(self).startsWith(prefix) ? sliceText(self, prefix.length, plain(self).length) : self
    }),
  ],
  [
    'removesuffix',
    method('suffix, /', (self, [given]) => {
      const suffix = plain(str(given))
      return plain(self).endsWith(suffix) ? sliceText(self, 0, plain(self).length - suffix.length) : self
    }),
  ],
  [
    'replace',
    method('old, new, count=, /', (self, [old, replacement, count]) =>
      replaceText(self, str(old), str(replacement), maximum(count)),
    ),
  ],
  ['rfind', method('sub, start=, end=, /', (self, given) => find(self, given, true))],
  ['rindex', method('sub, start=, end=, /', (self, given) => indexOrFail(find(self, given, true)))],
  ['rjust', method('width, fillchar=, /', (self, [width, fill]) => justify(self, width, fill, 'right'))],
  ['rpartition', method('sep, /', (self, [separator]) => partition(self, separator, true))],
  [
    'rsplit',
    method(
      'sep=, maxsplit=',
      (self, [separator, limit]) => new PyList(split(self, optionalStr(separator), maximum(limit), true)),
    ),
  ],
  ['rstrip', method('chars=, /', (self, [set]) => strip(self, optionalStr(set), 'right'))],
  [
    'split',
    method(
      'sep=, maxsplit=',
      (self, [separator, limit]) => new PyList(split(self, optionalStr(separator), maximum(limit), false)),
    ),
  ],
  [
    'splitlines',
    method('keepends=', (self, [keep]) => new PyList(splitLines(self, keep !== undefined && truth(keep)))),
  ],
  ['startswith', startsOrEnds('startswith')],
  ['strip', method('chars=, /', (self, [set]) => strip(self, optionalStr(set), 'both'))],
  ['swapcase', method('', (self) => swapCase(self))],
  ['title', method('', (self) => title(self))],
  ['translate', method('table, /', (self, [table]) => translate(self, table))],
  ['upper', method('', (self) => upper(self))],
  ['zfill', method('width, /', (self, [width]) => zeroFill(self, width))],
])

function makeTranslation([x, y, z]: (Value | undefined)[]): Value {
  if (y === undefined) {
    const dict = bare(x ?? null)
    if (!(dict instanceof PyDict))
      throw new Fault('TypeError', 'if you give only one argument to maketrans it must be a dict')
    return makeDict(
      [...dict.entries].map(([key, value]) => [
        typeof key === 'string' ? (key.codePointAt(0) ?? 0) : key,
        value,
      ]),
    )
  }
  const from = [...plain(str(x))]
  const to = [...plain(str(y))]
  if (from.length !== to.length)
    throw new Fault('ValueError', 'the first two maketrans arguments must have equal length')
  const pairs = from.map((character, index): [Value, Value] => [
    character.codePointAt(0) ?? 0,
    to[index]?.codePointAt(0) ?? 0,
  ])
  const removed =
    z === undefined
      ? []
      : [...plain(str(z))].map((character): [Value, Value] => [character.codePointAt(0) ?? 0, null])
  return makeDict([...pairs, ...removed])
}

/** Whether str has the method. */
export function hasStringMethod(name: string): boolean {
  return methods.has(name)
}

/** Calls a method of str; `undefined` when there is none of that name. */
export function callStringMethod(
  self: Str,
  name: string,
  positional: readonly Value[],
  named: Named,
): Value | undefined {
  const found = methods.get(name)
  if (found === undefined) return undefined
  const isFormat = name === 'format'
  const given = isFormat ? [...positional] : bindArguments(name, found.signature, positional, named)
  spendReading(plain(self).length)
  const result = found.call(self, given, named)
  // Markup's methods return Markup.
  return typeof self !== 'string' && self.markup && isStr(result) ? asMarkup(result) : result
}
