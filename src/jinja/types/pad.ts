import { Fault } from '../fault.ts'
import { spendCharacters, spendCharacterWork } from '../meter.ts'
import { indexArgument } from './numbers.ts'
import { split } from './split.ts'
import {
  characters,
  codePointLength,
  concatTexts,
  plain,
  sliceText,
  sourceAt,
  TextBuilder,
  type Str,
} from './text.ts'
import type { Value } from './values.ts'

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
export function justify(self: Str, target: number, filler: string, side: 'left' | 'right' | 'center'): Str {
  if (codePointLength(filler) !== 1)
    throw new Fault('TypeError', 'The fill character must be exactly one character long')
  const missing = target - codePointLength(plain(self))
  if (missing <= 0) return self
  spendCharacters(missing * filler.length)
  // CPython's own rule for the odd character.
  const left = side === 'left' ? 0 : side === 'right' ? missing : (missing >> 1) + (missing & target & 1)
  return concatTexts([filler.repeat(left), self, filler.repeat(missing - left)])
}

/** Python's center with spaces. */
export function center(self: Str, width: Value): Str {
  return justify(self, indexArgument(width), ' ', 'center')
}

/** Python's zfill: zeros behind the sign. */
export function zeroFill(self: Str, width: number): Str {
  const missing = width - codePointLength(plain(self))
  if (missing <= 0) return self
  spendCharacters(missing)
  const signLength = /^[+-]/.test(plain(self)) ? 1 : 0
  return concatTexts([
    sliceText(self, 0, signLength),
    '0'.repeat(missing),
    sliceText(self, signLength, plain(self).length),
  ])
}

/** Python's expandtabs. */
export function expandTabs(self: Str, tab: number): Str {
  spendCharacterWork(plain(self).length, 12)
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

/** Python's partition and rpartition: before, the separator, behind. */
export function partition(self: Str, separator: string, fromRight: boolean): [Str, Str, Str] {
  const value = plain(self)
  if (separator === '') throw new Fault('ValueError', 'empty separator')
  const index = fromRight ? value.lastIndexOf(separator) : value.indexOf(separator)
  if (index === -1) return fromRight ? ['', '', self] : [self, '', '']
  const end = index + separator.length
  return [sliceText(self, 0, index), sliceText(self, index, end), sliceText(self, end, value.length)]
}
