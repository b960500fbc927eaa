import { Fault } from '../fault.ts'
import { spendCharacterWork, spendSteps } from '../meter.ts'
import { indexOfText, lastIndexOfText } from './search.ts'
import { characters, concatTexts, plain, sliceText, type Str } from './text.ts'

// What str.isspace holds true; JavaScript's \s has U+FEFF instead of the separators U+001C to U+001F and U+0085.
// oxlint-disable-next-line no-control-regex -- they are Python's white space
const white = /[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

/** Python's white space. */
export function isSpace(character: string): boolean {
  return white.test(character)
}

/** Python's strip: takes characters of a set (default: white space) off one or both sides. */
export function strip(text: Str, set: string | undefined, side: 'left' | 'right' | 'both'): Str {
  const value = plain(text)
  if (set !== undefined) spendCharacterWork(set.length, 16)
  const members = set === undefined ? undefined : new Set(set)
  const isMember = (character: string): boolean =>
    members === undefined ? white.test(character) : members.has(character)
  let start = 0
  let end = value.length
  if (side !== 'right') {
    while (start < end) {
      const character = String.fromCodePoint(value.codePointAt(start) ?? 0)
      if (!isMember(character)) break
      start += character.length
    }
  }
  if (side !== 'left') {
    while (end > start) {
      const character = lastCharacter(value, end)
      if (!isMember(character)) break
      end -= character.length
    }
  }
  spendCharacterWork(start + value.length - end, 16)
  return sliceText(text, start, end)
}

function lastCharacter(value: string, end: number): string {
  const low = value.charCodeAt(end - 1)
  const high = value.charCodeAt(end - 2)
  const isPair = low >= 0xdc00 && low <= 0xdfff && high >= 0xd800 && high <= 0xdbff
  return value.slice(end - (isPair ? 2 : 1), end)
}

/** Python's split and rsplit; `limit` < 0 is without limit, no separator splits at runs of white space. */
export function split(text: Str, separator: string | undefined, limit: number, fromRight: boolean): Str[] {
  if (separator === '') throw new Fault('ValueError', 'empty separator')
  const value = plain(text)
  const most = limit < 0 ? Number.POSITIVE_INFINITY : limit
  const cuts = separator === undefined ? [] : separatorCuts(value, separator, most, fromRight)
  if (separator === undefined) return splitSpace(text, most, fromRight)
  const parts: Str[] = []
  let start = 0
  for (const cut of cuts) {
    parts.push(sliceText(text, start, cut))
    start = cut + separator.length
  }
  parts.push(sliceText(text, start, value.length))
  return parts
}

function separatorCuts(value: string, separator: string, most: number, fromRight: boolean): number[] {
  const cuts: number[] = []
  if (fromRight) {
    let end = value.length
    while (cuts.length < most) {
      spendSteps(1)
      const cut = end < separator.length ? -1 : lastIndexOfText(value, separator, end - separator.length)
      if (cut === -1) break
      cuts.push(cut)
      end = cut
    }
    return cuts.toReversed()
  }
  let start = 0
  while (cuts.length < most) {
    spendSteps(1)
    const cut = indexOfText(value, separator, start)
    if (cut === -1) break
    cuts.push(cut)
    start = cut + separator.length
  }
  return cuts
}

function splitSpace(text: Str, most: number, fromRight: boolean): Str[] {
  const value = plain(text)
  spendSteps(value.length / 8)
  const words: { start: number; end: number }[] = []
  for (let offset = 0; offset < value.length; offset += 1) {
    if (white.test(value.charAt(offset))) continue
    const start = offset
    while (offset < value.length && !white.test(value.charAt(offset))) offset += 1
    spendSteps(2)
    words.push({ start, end: offset })
  }
  if (words.length <= most) return words.map(({ start, end }) => sliceText(text, start, end))
  if (!fromRight) {
    const parts = words.slice(0, most).map(({ start, end }) => sliceText(text, start, end))
    return [...parts, strip(sliceText(text, words[most]?.start ?? 0, value.length), '', 'right')]
  }
  const kept = words.slice(words.length - most)
  const restEnd = words[words.length - most - 1]?.end ?? 0
  return [sliceText(text, 0, restEnd), ...kept.map(({ start, end }) => sliceText(text, start, end))]
}

// oxlint-disable-next-line no-control-regex -- they are Python's line breaks
const lineBreak = /\r\n|[\n\v\f\r\u001c-\u001e\u0085\u2028\u2029]/g

/** Python's splitlines. */
export function splitLines(text: Str, keepEnds: boolean): Str[] {
  const value = plain(text)
  const lines: Str[] = []
  let start = 0
  for (const match of value.matchAll(lineBreak)) {
    spendSteps(1)
    const end = match.index + match[0].length
    lines.push(sliceText(text, start, keepEnds ? end : match.index))
    start = end
  }
  if (start < value.length) lines.push(sliceText(text, start, value.length))
  return lines
}

/** Python's partition and rpartition: before, the separator, behind. */
export function partition(self: Str, separator: string, fromRight: boolean): [Str, Str, Str] {
  const value = plain(self)
  if (separator === '') throw new Fault('ValueError', 'empty separator')
  const index = fromRight ? lastIndexOfText(value, separator) : indexOfText(value, separator)
  if (index === -1) return fromRight ? ['', '', self] : [self, '', '']
  const end = index + separator.length
  return [sliceText(self, 0, index), sliceText(self, index, end), sliceText(self, end, value.length)]
}

/** Python's replace; the replacement keeps its own sources. */
export function replaceText(self: Str, old: Str, replacement: Str, limit: number): Str {
  const wanted = plain(old)
  if (limit === 0 || (wanted !== '' && indexOfText(plain(self), wanted) === -1)) return self
  const pieces: Str[] = []
  if (wanted !== '') {
    for (const part of split(self, wanted, limit, false))
      pieces.push(...(pieces.length > 0 ? [replacement, part] : [part]))
    return concatTexts(pieces)
  }
  const most = limit < 0 ? Number.POSITIVE_INFINITY : limit
  const all = characters(self)
  all.forEach((character, index) => pieces.push(...(index < most ? [replacement, character] : [character])))
  if (all.length < most) pieces.push(replacement)
  return concatTexts(pieces)
}
