import { mapText, plain, sourceAt, TextBuilder, type Str } from './text.ts'

const cased = /\p{Cased}/u
const upperLetter = /\p{Uppercase}|\p{Lt}/u
const lowerLetter = /\p{Lowercase}/u

/** Python's str.upper. */
export function upper(text: Str): Str {
  return mapText(text, (value) => value.toUpperCase())
}

/** Python's str.lower. */
export function lower(text: Str): Str {
  return mapText(text, (value) => value.toLowerCase())
}

/** Maps each code point, given what stands before it. */
function mapCharacters(text: Str, map: (character: string, previous: string) => string): Str {
  const builder = new TextBuilder()
  let previous = ''
  let offset = 0
  for (const character of plain(text)) {
    builder.push(map(character, previous), sourceAt(text, offset))
    previous = character
    offset += character.length
  }
  return builder.finish()
}

// Titlecase differs from uppercase for a few digraphs (ǆ → ǅ) and ligatures (ß → Ss, ﬁ → Fi).
const titleDigraphs: Readonly<Record<string, string>> = {
  Ǆ: 'ǅ',
  ǅ: 'ǅ',
  ǆ: 'ǅ',
  Ǉ: 'ǈ',
  ǈ: 'ǈ',
  ǉ: 'ǈ',
  Ǌ: 'ǋ',
  ǋ: 'ǋ',
  ǌ: 'ǋ',
  Ǳ: 'ǲ',
  ǲ: 'ǲ',
  ǳ: 'ǲ',
}

function titleCase(character: string): string {
  const digraph = titleDigraphs[character]
  if (digraph !== undefined) return digraph
  const [first = '', ...rest] = character.toUpperCase()
  return first + rest.join('').toLowerCase()
}

/** Python's str.capitalize. */
export function capitalize(text: Str): Str {
  return mapCharacters(text, (character, previous) =>
    previous === '' ? titleCase(character) : character.toLowerCase(),
  )
}

/** Python's str.title: a letter after a letter is small, any other is big. */
export function title(text: Str): Str {
  return mapCharacters(text, (character, previous) =>
    cased.test(previous) ? character.toLowerCase() : titleCase(character),
  )
}

/** jinja2's title filter: words begin after white space, a hyphen or an opening bracket. */
export function titleFilter(text: Str): Str {
  const isSeparator = (character: string): boolean => /[-\s({[<]/.test(character)
  return mapCharacters(text, (character, previous) =>
    previous === '' || isSeparator(previous) ? character.toUpperCase() : character.toLowerCase(),
  )
}

/** Python's str.swapcase. */
export function swapCase(text: Str): Str {
  return mapCharacters(text, (character) =>
    upperLetter.test(character) ? character.toLowerCase() : character.toUpperCase(),
  )
}

/** Python's str.islower and str.isupper: at least one cased character, and all of them so. */
export function isAll(kind: 'lower' | 'upper', value: string): boolean {
  const wanted = kind === 'lower' ? lowerLetter : /\p{Uppercase}/u
  let found = false
  for (const character of value) {
    if (wanted.test(character)) found = true
    else if (cased.test(character)) return false
  }
  return found
}

/** Python's str.istitle. */
export function isTitle(value: string): boolean {
  let found = false
  let previousCased = false
  for (const character of value) {
    if (upperLetter.test(character)) {
      if (previousCased) return false
      previousCased = true
      found = true
    } else if (lowerLetter.test(character)) {
      if (!previousCased) return false
      found = true
    } else previousCased = false
  }
  return found
}
