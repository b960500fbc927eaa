import { Fault } from '../fault.ts'
import { spendCharacterWork, spendReading, spendSteps } from '../meter.ts'
import {
  callBuiltin,
  countArgument,
  defineBuiltins,
  optionalStr,
  strArgument,
  type Builtin,
  type Given,
} from './builtin.ts'
import { capitalize, isAll, lower, title, upper } from './case.ts'
import { characterClasses } from './character-classes.ts'
import { formatBraces } from './format.ts'
import { iterate } from './iteration.ts'
import { indexArgument } from './numbers.ts'
import { pad, zeroFill } from './pad.ts'
import { partition, replaceText, split, splitLines, strip } from './split.ts'
import { indexOfText, lastIndexOfText } from './search.ts'
import { codePointLength, joinTexts, plain, sliceText, type Str } from './text.ts'
import { bare, isStr, listOf, PySequence, tupleOf, typeName, type Named, type Value } from './values.ts'

type Call = Builtin<Str>['call']

const affix =
  (side: 'startsWith' | 'endsWith'): Call =>
  (self, [given = null]) => {
    const wanted = given instanceof PySequence && given.type === 'tuple' ? given.items : [given]
    return wanted.some((text) => plain(self)[side](plain(strArgument(text))))
  }

const every =
  (holds: (character: string) => boolean): Call =>
  (self) => {
    spendCharacterWork(plain(self).length, 16)
    for (const character of plain(self)) if (!holds(character)) return false
    return plain(self) !== ''
  }

/** The code point index of a text in another, or -1. */
const find =
  (side: 'indexOf' | 'lastIndexOf'): Call =>
  (self, [sub]) => {
    const search = side === 'indexOf' ? indexOfText : lastIndexOfText
    const index = search(plain(self), plain(strArgument(sub)))
    return index === -1 ? -1 : codePointLength(plain(self).slice(0, index))
  }

const index =
  (side: 'indexOf' | 'lastIndexOf'): Call =>
  (self, given, named) => {
    const found = find(side)(self, given, named)
    if (found === -1) throw new Fault('ValueError', 'substring not found')
    return found
  }

/** Occurrences that do not overlap. */
function count(self: Str, [sub]: Given): number {
  const wanted = plain(strArgument(sub))
  if (wanted === '') return codePointLength(plain(self)) + 1
  let found = 0
  for (let at = indexOfText(plain(self), wanted); at !== -1; found += 1) {
    spendCharacterWork(1, 8)
    at = indexOfText(plain(self), wanted, at + wanted.length)
  }
  return found
}

const padded =
  (side: 'left' | 'right' | 'center'): Call =>
  (self, [width = 0, filler = ' ']) =>
    pad(self, indexArgument(width), plain(strArgument(filler)), side)

const stripped =
  (side: 'left' | 'right' | 'both'): Call =>
  (self, [set]) =>
    strip(self, optionalStr(set), side)

const splitting =
  (fromRight: boolean): Call =>
  (self, [separator, limit]) =>
    listOf(split(self, optionalStr(separator), countArgument(limit, -1), fromRight))

const parting =
  (fromRight: boolean): Call =>
  (self, [separator]) =>
    tupleOf(partition(self, plain(strArgument(separator)), fromRight))

function join(self: Str, [items = null]: Given): Str {
  const texts = iterate(items).map((item, position) => {
    // Besides drawing it.
    spendSteps(1)
    if (isStr(item)) return item
    throw new Fault(
      'TypeError',
      `sequence item ${position}: expected str instance, ${typeName(bare(item))} found`,
    )
  })
  return joinTexts(self, texts)
}

function removePrefix(self: Str, [given]: Given): Str {
  const prefix = plain(strArgument(given))
  return plain(self).startsWith(prefix) ? sliceText(self, prefix.length, plain(self).length) : self
}

function removeSuffix(self: Str, [given]: Given): Str {
  const suffix = plain(strArgument(given))
  return plain(self).endsWith(suffix) ? sliceText(self, 0, plain(self).length - suffix.length) : self
}

/** The methods of Python's str. */
const methods = defineBuiltins<Str>({
  'capitalize()': capitalize,
  'center(width, fillchar=, /)': padded('center'),
  'count(sub, start!, end!, /)': count,
  'endswith(suffix, start!, end!, /)': affix('endsWith'),
  'find(sub, start!, end!, /)': find('indexOf'),
  'format(*)': formatBraces,
  'index(sub, start!, end!, /)': index('indexOf'),
  'isalnum()': every(characterClasses.isalnum),
  'isalpha()': every(characterClasses.isalpha),
  'isdecimal()': every(characterClasses.isdecimal),
  'isdigit()': every(characterClasses.isdigit),
  'islower()': (self) => isAll('lower', plain(self)),
  'isnumeric()': every(characterClasses.isnumeric),
  'isspace()': every(characterClasses.isspace),
  'isupper()': (self) => isAll('upper', plain(self)),
  'join(iterable, /)': join,
  'ljust(width, fillchar=, /)': padded('left'),
  'lower()': lower,
  'lstrip(chars=, /)': stripped('left'),
  'partition(sep, /)': parting(false),
  'removeprefix(prefix, /)': removePrefix,
  'removesuffix(suffix, /)': removeSuffix,
  'replace(old, new, count=, /)': (self, [old, replacement, count]) =>
    replaceText(self, strArgument(old), strArgument(replacement), countArgument(count, -1)),
  'rfind(sub, start!, end!, /)': find('lastIndexOf'),
  'rindex(sub, start!, end!, /)': index('lastIndexOf'),
  'rjust(width, fillchar=, /)': padded('right'),
  'rpartition(sep, /)': parting(true),
  'rsplit(sep=, maxsplit=)': splitting(true),
  'rstrip(chars=, /)': stripped('right'),
  'split(sep=, maxsplit=)': splitting(false),
  'splitlines(keepends=)': (self, [keep]) => listOf(splitLines(self, countArgument(keep, 0) !== 0)),
  'startswith(prefix, start!, end!, /)': affix('startsWith'),
  'strip(chars=, /)': stripped('both'),
  'title()': title,
  'upper()': upper,
  'zfill(width, /)': (self, [width = 0]) => zeroFill(self, indexArgument(width)),
})

/** The names of str's methods. */
export const stringMethodNames: ReadonlySet<string> = new Set(methods.keys())

/** Calls a method of str; the name is one of `stringMethodNames`. */
export function callStringMethod(self: Str, name: string, positional: readonly Value[], named: Named): Value {
  const method = methods.get(name)
  if (method === undefined) throw new Fault('TypeError', `str has no method ${name}`)
  spendReading(plain(self).length)
  return callBuiltin(method, self, positional, named)
}
