import { isCasedCharacter, isLowerCharacter, isUpperCharacter } from './character-classes.ts'
import { spendCharacterWork, spendSteps } from '../meter.ts'
import { concatTexts, mapRuns, mapText, plain, sliceText, type Str } from './text.ts'

// Small letters whose capitals are younger than Python 3.11's Unicode.
const withoutCapital = /[ƛɤꟓꟕ]/

function upperText(value: string): string {
  if (!withoutCapital.test(value)) return value.toUpperCase()
  return Array.from(value, (character) =>
    withoutCapital.test(character) ? character : character.toUpperCase(),
  ).join('')
}

/** Letters beyond ASCII are looked up one by one. */
function spendCase(value: string): void {
  // oxlint-disable-next-line no-control-regex -- ASCII is the range meant
  if (/[^\u0000-\u007f]/.test(value)) spendCharacterWork(value.length, 6)
}

/** Python's str.upper. */
export function upper(text: Str): Str {
  spendCase(plain(text))
  return mapText(text, upperText)
}

/** Python's str.lower. */
export function lower(text: Str): Str {
  spendCase(plain(text))
  return mapText(text, (value) => value.toLowerCase())
}

/** Maps each code point, given what stands before it and where it stands. */
function mapCharacters(text: Str, map: (character: string, previous: string, offset: number) => string): Str {
  spendCharacterWork(plain(text).length, 48)
  let previous = ''
  let offset = 0
  const mapNext = (character: string): string => {
    const mapped = map(character, previous, offset)
    previous = character
    offset += character.length
    return mapped
  }
  return mapRuns(text, (part) => Array.from(part, mapNext).join(''))
}

/** A small letter in its place: a final sigma looks at its neighbours. */
function lowerAt(value: string, character: string, offset: number): string {
  if (character !== 'Σ') return character.toLowerCase()
  const from = Math.max(0, offset - 64)
  const before = value.slice(from, offset)
  const after = value.slice(offset + 1, offset + 64)
  return `${before}Σ${after}`.toLowerCase().charAt(before.toLowerCase().length)
}

// Titlecase differs from uppercase for a few digraphs: of each three the middle one is the title.
const titleDigraphs: ReadonlyMap<string, string> = new Map([
  ['ŉ', 'ʼN'],
  ...['Ǆǅǆ', 'Ǉǈǉ', 'Ǌǋǌ', 'Ǳǲǳ'].flatMap((three) =>
    Array.from(three, (form): [string, string] => [form, three.charAt(1)]),
  ),
])
const greekTitles: ReadonlyMap<number, number> = new Map([
  [0x1fb3, 0x1fbc],
  [0x1fc3, 0x1fcc],
  [0x1ff3, 0x1ffc],
])

function titleCase(character: string): string {
  const digraph = titleDigraphs.get(character)
  if (digraph !== undefined) return digraph
  const code = character.codePointAt(0) ?? 0
  // Georgian has capitals for whole words only.
  if (code >= 0x10d0 && code <= 0x10ff) return character
  // Greek writes the iota below in a title, beside in capitals.
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8)
  if (code === 0x1fbc || code === 0x1fcc || code === 0x1ffc) return character
  const greek = greekTitles.get(code)
  if (greek !== undefined) return String.fromCodePoint(greek)
  const capital = upperText(character)
  if (code >= 0x1fb2 && code <= 0x1ff7 && capital.length > 1 && capital.endsWith('Ι'))
    return `${capital.slice(0, -1)}\u0345`
  // Ligatures: ß → Ss, ﬁ → Fi.
  const [first = '', ...rest] = capital
  return first + rest.join('').toLowerCase()
}

/** Python's str.capitalize. */
export function capitalize(text: Str): Str {
  const value = plain(text)
  return mapCharacters(text, (character, _, offset) =>
    offset === 0 ? titleCase(character) : lowerAt(value, character, offset),
  )
}

/** Python's str.title: a letter after a letter is small, any other is big. */
export function title(text: Str): Str {
  const value = plain(text)
  return mapCharacters(text, (character, previous, offset) =>
    previous !== '' && isCasedCharacter(previous) ? lowerAt(value, character, offset) : titleCase(character),
  )
}

const wordBeginning = /[-\s({[<]+|[^-\s({[<]+/g

/** jinja2's title filter: words begin after white space, a hyphen or an opening bracket. */
export function titleFilter(text: Str): Str {
  const pieces: Str[] = []
  for (const { index, 0: word } of plain(text).matchAll(wordBeginning)) {
    spendSteps(4)
    const second = index + ((word.codePointAt(0) ?? 0) > 0xffff ? 2 : 1)
    pieces.push(upper(sliceText(text, index, second)), lower(sliceText(text, second, index + word.length)))
  }
  return concatTexts(pieces)
}

/** Python's str.islower and str.isupper: at least one cased character, and all of them so. */
export function isAll(kind: 'lower' | 'upper', value: string): boolean {
  const isWanted = kind === 'lower' ? isLowerCharacter : isUpperCharacter
  spendCharacterWork(value.length, 16)
  let found = false
  for (const character of value) {
    if (isWanted(character)) found = true
    else if (isCasedCharacter(character)) return false
  }
  return found
}
