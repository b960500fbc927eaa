import { capitalize, foldCase, isAll, isTitle, lower, swapCase, title, upper } from './case.ts'
import { characterClasses, isIdentifier, isPrintable } from './character-classes.ts'
import { encodeText } from './codecs.ts'
import { Fault } from '../fault.ts'
import { formatBraces } from './brace-format.ts'
import { stripTags, unescapeHtml } from './html-entities.ts'
import { iterate } from './iteration.ts'
import { expandTabs, justify, partition, replaceText, zeroFill } from './pad.ts'
import { escapeValue, isMarkup, joinTexts, likeSelf } from './markup.ts'
import { spendCharacterWork, spendReading } from '../meter.ts'
import { countArgument, describeMethod, method, optionalStr, strArgument, type Method } from './method.ts'
import { indexArgument } from './numbers.ts'
import { bindArguments } from './parameters.ts'
import { toRepr } from './print.ts'
import { countText, findText, hasAffix, indexOrFail } from './search.ts'
import { split, splitLines, strip } from './split.ts'
import { asMarkup, plain, sliceText, withoutMarkup, type Str } from './text.ts'
import { makeTranslation, translate } from './translate.ts'
import {
  bare,
  isStr,
  noNamed,
  PLACE,
  PyDict,
  PyList,
  PyTuple,
  typeName,
  Undefined,
  type Named,
  type Value,
} from './values.ts'

type StrMethod = Method<Str>

const strMethod = (parameters: string, call: StrMethod['call']): StrMethod => method<Str>(parameters, call)

function startsOrEnds(name: 'startswith' | 'endswith'): StrMethod {
  return strMethod('prefix, start=, end=, /', (self, [given, start, end]) => {
    const stripped = bare(given ?? null)
    const wanted = stripped instanceof PyTuple ? stripped.items : [stripped]
    // Python looks at the texts one by one and stops at the first that fits.
    return wanted.some((item) => {
      const text = bare(item)
      if (isStr(text)) return hasAffix(plain(self), [plain(text)], [start, end], name)
      throw new Fault('TypeError', `${name} first arg must be str or a tuple of str, not ${typeName(text)}`)
    })
  })
}

function everyCharacter(holds: (character: string) => boolean): StrMethod {
  return strMethod('', (self) => {
    spendCharacterWork(plain(self).length, 16)
    return plain(self) !== '' && [...plain(self)].every(holds)
  })
}

function joined(self: Str, items: readonly Value[]): Str {
  return joinTexts(
    self,
    items.map((item, index) => {
      const text = bare(item)
      // Markup's join escapes, and so prints, whatever is no str.
      if (isMarkup(self)) return escapeValue(item)
      if (isStr(text)) return text
      throw new Fault('TypeError', `sequence item ${index}: expected str instance, ${typeName(text)} found`)
    }),
  )
}

function justified(side: 'left' | 'right' | 'center'): StrMethod {
  return strMethod('width, fillchar=, /', (self, [width, fill = ' ']) => {
    const filler = isMarkup(self) ? escapeValue(fill) : strArgument(fill)
    return justify(self, indexArgument(width ?? 0), plain(filler), side)
  })
}

function stripped(side: 'left' | 'right' | 'both'): StrMethod {
  return strMethod('chars=, /', (self, [set]) => strip(self, optionalStr(set), side))
}

function splitting(fromRight: boolean): StrMethod {
  return strMethod('sep=, maxsplit=', (self, [separator, limit]) => {
    return new PyList(split(self, optionalStr(separator), countArgument(limit, -1), fromRight))
  })
}

function formatMapped(self: Str, mapping: Value | undefined): Value {
  const dict = bare(mapping ?? null)
  if (dict instanceof Undefined || !(dict instanceof PyDict)) return formatBraces(self, [], noNamed, dict)
  const named = new Map<string, Value>()
  for (const [key, value] of dict.entries) if (typeof key === 'string') named.set(key, value)
  return formatBraces(self, [], named)
}

const classMethods = Object.entries(characterClasses).map(([name, holds]): [string, StrMethod] => [
  name,
  everyCharacter(holds),
])

/** The methods of Python's str. */
const methods: ReadonlyMap<string, StrMethod> = new Map([
  ...classMethods,
  ['capitalize', strMethod('', (self) => capitalize(self))],
  ['casefold', strMethod('', (self) => foldCase(self))],
  ['center', justified('center')],
  [
    'count',
    strMethod('sub, start=, end=, /', (self, [sub, start, end]) =>
      countText(plain(self), plain(strArgument(sub)), [start, end]),
    ),
  ],
  [
    'encode',
    strMethod('encoding=, errors=', (self, [encoding = 'utf-8', errors = 'strict']) =>
      encodeText(self, plain(strArgument(encoding)), plain(strArgument(errors))),
    ),
  ],
  ['endswith', startsOrEnds('endswith')],
  ['expandtabs', strMethod('tabsize=', (self, [size]) => expandTabs(self, countArgument(size, 8)))],
  [
    'find',
    strMethod('sub, start=, end=, /', (self, [sub, start, end]) =>
      findText(plain(self), plain(strArgument(sub)), [start, end], false),
    ),
  ],
  ['format', strMethod('*args', (self, given, named) => formatBraces(self, given, named))],
  ['format_map', strMethod('mapping, /', (self, [mapping]) => formatMapped(self, mapping))],
  [
    'index',
    strMethod('sub, start=, end=, /', (self, [sub, start, end]) =>
      indexOrFail(findText(plain(self), plain(strArgument(sub)), [start, end], false)),
    ),
  ],
  // oxlint-disable-next-line no-control-regex -- ASCII is the range meant
  ['isascii', strMethod('', (self) => /^[\u0000-\u007f]*$/.test(plain(self)))],
  ['isidentifier', strMethod('', (self) => isIdentifier(plain(self)))],
  ['islower', strMethod('', (self) => isAll('lower', plain(self)))],
  [
    'isprintable',
    strMethod('', (self) => {
      spendCharacterWork(plain(self).length, 16)
      return [...plain(self)].every(isPrintable)
    }),
  ],
  ['istitle', strMethod('', (self) => isTitle(plain(self)))],
  ['isupper', strMethod('', (self) => isAll('upper', plain(self)))],
  ['join', strMethod('iterable, /', (self, [items]) => joined(self, iterate(items ?? null)))],
  ['ljust', justified('left')],
  ['lower', strMethod('', (self) => lower(self))],
  ['lstrip', stripped('left')],
  ['maketrans', strMethod('x, y=, z=, /', (_, given) => makeTranslation(given))],
  [
    'partition',
    strMethod(
      'sep, /',
      (self, [separator]) => new PyTuple(partition(self, plain(strArgument(separator)), false)),
    ),
  ],
  [
    'removeprefix',
    strMethod('prefix, /', (self, [given]) => {
      const prefix = plain(strArgument(given))
      return plain(self).startsWith(prefix) ? sliceText(self, prefix.length, plain(self).length) : self
    }),
  ],
  [
    'removesuffix',
    strMethod('suffix, /', (self, [given]) => {
      const suffix = plain(strArgument(given))
      return plain(self).endsWith(suffix) ? sliceText(self, 0, plain(self).length - suffix.length) : self
    }),
  ],
  [
    'replace',
    strMethod('old, new, count=, /', (self, [old, given, count]) => {
      const replacement = isMarkup(self) ? escapeValue(given ?? null) : strArgument(given)
      return replaceText(self, strArgument(old), replacement, countArgument(count, -1))
    }),
  ],
  [
    'rfind',
    strMethod('sub, start=, end=, /', (self, [sub, start, end]) =>
      findText(plain(self), plain(strArgument(sub)), [start, end], true),
    ),
  ],
  [
    'rindex',
    strMethod('sub, start=, end=, /', (self, [sub, start, end]) =>
      indexOrFail(findText(plain(self), plain(strArgument(sub)), [start, end], true)),
    ),
  ],
  ['rjust', justified('right')],
  [
    'rpartition',
    strMethod(
      'sep, /',
      (self, [separator]) => new PyTuple(partition(self, plain(strArgument(separator)), true)),
    ),
  ],
  ['rsplit', splitting(true)],
  ['rstrip', stripped('right')],
  ['split', splitting(false)],
  [
    'splitlines',
    strMethod('keepends=', (self, [keep]) => new PyList(splitLines(self, countArgument(keep, 0) !== 0))),
  ],
  ['startswith', startsOrEnds('startswith')],
  ['strip', stripped('both')],
  ['swapcase', strMethod('', (self) => swapCase(self))],
  ['title', strMethod('', (self) => title(self))],
  ['translate', strMethod('table, /', (self, [table]) => translate(self, table))],
  ['upper', strMethod('', (self) => upper(self))],
  ['zfill', strMethod('width, /', (self, [width]) => zeroFill(self, indexArgument(width ?? 0)))],
])

/** What markupsafe's Markup has besides. */
const markupMethods: ReadonlyMap<string, StrMethod> = new Map([
  ['escape', strMethod('s', (_, [value]) => escapeValue(value ?? null))],
  ['striptags', strMethod('', (self) => stripTags(withoutMarkup(self)))],
  ['unescape', strMethod('', (self) => unescapeHtml(withoutMarkup(self)))],
  [
    'removesuffix',
    { ...requireMethod('removesuffix'), signature: strMethod('suffix', () => null).signature },
  ],
  ['expandtabs', { ...requireMethod('expandtabs'), signature: strMethod('tabsize=', () => null).signature }],
])

function requireMethod(name: string): StrMethod {
  const found = methods.get(name)
  if (found === undefined) throw new Fault('AttributeError', `str has no method ${name}`)
  return found
}

/** The names of str's methods. */
export const stringMethodNames: ReadonlySet<string> = new Set([...methods.keys(), ...markupMethods.keys()])

function methodOf(self: Str, name: string): StrMethod | undefined {
  return (isMarkup(self) ? markupMethods.get(name) : undefined) ?? methods.get(name)
}

/** Whether a text has the method. */
export function hasStringMethod(self: Str, name: string): boolean {
  return methodOf(self, name) !== undefined
}

// What markupsafe leaves to str.
const inherited: ReadonlySet<string> = new Set([
  ...Object.keys(characterClasses),
  ...'count encode endswith find index isascii isidentifier islower isprintable istitle isupper'.split(' '),
  ...'maketrans rfind rindex startswith'.split(' '),
])

/** How a method prints that is not called. */
export function describeStringMethod(self: Str, name: string): string {
  const type = isMarkup(self) ? 'Markup' : 'str'
  // jinja2's sandbox wraps these two.
  if (name === 'format' || name === 'format_map') return `<function ${type}.${name} at ${PLACE}>`
  if (!isMarkup(self) || inherited.has(name)) return describeMethod(type, name)
  return name === 'escape'
    ? "<bound method Markup.escape of <class 'markupsafe.Markup'>>"
    : `<bound method Markup.${name} of ${plain(toRepr(self))}>`
}

/** Methods whose result is no Markup although they belong to one. */
const plainResults: ReadonlySet<string> = new Set(['striptags', 'unescape'])

/** Calls a method of str; `undefined` when there is none of that name. */
export function callStringMethod(
  self: Str,
  name: string,
  positional: readonly Value[],
  named: Named,
): Value | undefined {
  const found = methodOf(self, name)
  if (found === undefined) return undefined
  const given = found.signature.variadic
    ? [...positional]
    : bindArguments(name, found.signature, positional, named)
  spendReading(plain(self).length)
  const result = found.call(self, given, named)
  if (!isMarkup(self) || plainResults.has(name)) return result
  // Markup's methods return Markup.
  if (isStr(result)) return likeSelf(self, result)
  const wrap = (item: Value): Value => (isStr(item) ? asMarkup(item) : item)
  if (result instanceof PyList) return new PyList(result.items.map(wrap))
  return result instanceof PyTuple ? new PyTuple(result.items.map(wrap)) : result
}
