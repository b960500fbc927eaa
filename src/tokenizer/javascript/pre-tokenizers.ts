import { prependText, replaceMatches, sliceText, type AlignedText } from './aligned-text.ts'
import { writeBytes } from './byte-alphabet.ts'
import { readPattern } from './normalizers.ts'
import { compilePattern, literalPattern } from './oniguruma.ts'
import { readChoice, readFlag, readParts, readText, unsupported, type Readers } from './options.ts'
import { isNumber, isPunctuation, isSpace, isWordCharacter } from './unicode.ts'

/** Cuts a text into the words that the model tokenises one by one. */
export type PreTokenizer = (text: AlignedText) => AlignedText[]

/** What becomes of the parts of a text that a pattern matches. */
const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
type Behavior = (typeof behaviors)[number]

/** Part of a text, and whether a pattern matches it. */
interface Stretch {
  start: number
  end: number
  isMatch: boolean
}

const gpt2Pattern = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

export const preTokenizerReaders: Readers<PreTokenizer> = {
  ByteLevel(part) {
    const addsSpace = readFlag(part, 'add_prefix_space')
    const pattern = readFlag(part, 'use_regex', true) ? compilePattern(gpt2Pattern, part.place) : undefined
    return (given) => {
      const text = addsSpace && !given.text.startsWith(' ') ? prependText(given, ' ') : given
      const words = pattern === undefined ? [text] : split(text, stretchesOf(text.text, pattern), 'Isolated')
      return words.map(writeBytes)
    }
  },
  Metaspace(part) {
    const mark = readText(part, 'replacement')
    const scheme = readChoice(part, 'prepend_scheme', ['always', 'first', 'never'], 'always')
    if (part.json.add_prefix_space === false && scheme !== 'never')
      throw unsupported(
        part.place,
        `add_prefix_space: false and prepend_scheme: ${scheme}`,
        'one meaning of both',
      )
    const isSplit = readFlag(part, 'split', true)
    const space = literalPattern(' ', part.place)
    const pattern = literalPattern(mark, part.place)
    return (given) => {
      const isFirst = given.starts[0] === 0
      let text = replaceMatches(given, space, mark)
      if (!text.text.startsWith(mark) && (scheme === 'always' || (scheme === 'first' && isFirst)))
        text = prependText(text, mark)
      return isSplit ? split(text, stretchesOf(text.text, pattern), 'MergedWithNext') : [text]
    }
  },
  Split(part) {
    const pattern = readPattern(part)
    const behavior = readChoice(part, 'behavior', behaviors)
    const inverts = readFlag(part, 'invert')
    return (text) => {
      const stretches = stretchesOf(text.text, pattern)
      if (inverts) for (const stretch of stretches) stretch.isMatch = !stretch.isMatch
      return split(text, stretches, behavior)
    }
  },
  Digits(part) {
    const behavior = readFlag(part, 'individual_digits') ? 'Isolated' : 'Contiguous'
    return (text) => split(text, charactersOf(text.text, isNumber), behavior)
  },
  Punctuation(part) {
    const behavior = readChoice(part, 'behavior', behaviors, 'Isolated')
    return (text) => split(text, charactersOf(text.text, isPunctuation), behavior)
  },
  CharDelimiterSplit(part) {
    const delimiter = readText(part, 'delimiter')
    return (text) =>
      split(
        text,
        charactersOf(text.text, (character) => character === delimiter),
        'Removed',
      )
  },
  WhitespaceSplit: () => splitAtSpaces,
  Whitespace: () => (text) =>
    splitAtSpaces(text).flatMap((word) =>
      split(word, charactersOf(word.text, isWordCharacter), 'Contiguous'),
    ),
  BertPreTokenizer: () => (text) =>
    splitAtSpaces(text).flatMap((word) => split(word, charactersOf(word.text, isPunctuation), 'Isolated')),
  Sequence(part) {
    const steps = readParts(part, 'pretokenizers', preTokenizerReaders)
    return (text) => steps.reduce((words, step) => words.flatMap(step), [text])
  },
}

function splitAtSpaces(text: AlignedText): AlignedText[] {
  return split(text, charactersOf(text.text, isSpace), 'Removed')
}

/** The matches of a pattern and what lies between them. */
function stretchesOf(text: string, pattern: RegExp): Stretch[] {
  const stretches: Stretch[] = []
  let position = 0
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > position) stretches.push({ start: position, end: index, isMatch: false })
    position = index + match.length
    stretches.push({ start: index, end: position, isMatch: true })
  }
  if (position < text.length) stretches.push({ start: position, end: text.length, isMatch: false })
  return stretches
}

/** Each character of a kind as a match, and what lies between them. */
function charactersOf(text: string, isOfKind: (character: string) => boolean): Stretch[] {
  const stretches: Stretch[] = []
  let at = 0
  for (const character of text) {
    const end = at + character.length
    const last = stretches.at(-1)
    const isMatch = isOfKind(character)
    if (!isMatch && last?.isMatch === false) last.end = end
    else stretches.push({ start: at, end, isMatch })
    at = end
  }
  return stretches
}

function split(text: AlignedText, stretches: readonly Stretch[], behavior: Behavior): AlignedText[] {
  const words = merge(stretches, behavior)
  return words.flatMap(({ start, end }) => (end > start ? [sliceText(text, start, end)] : []))
}

function merge(stretches: readonly Stretch[], behavior: Behavior): readonly Stretch[] {
  switch (behavior) {
    case 'Removed':
      return stretches.filter(({ isMatch }) => !isMatch)
    case 'Isolated':
      return stretches
    case 'Contiguous':
      return joinWhere(stretches, (before, { isMatch }) => before.isMatch === isMatch)
    case 'MergedWithPrevious':
      return joinWhere(stretches, (before, { isMatch }) => isMatch && !before.isMatch)
    case 'MergedWithNext':
      return joinWhere(stretches, (before, { isMatch }) => before.isMatch && !isMatch)
  }
}

/** Joins neighbours; whether two are joined depends on the kind of what was there before joining. */
function joinWhere(
  stretches: readonly Stretch[],
  isJoined: (before: Stretch, stretch: Stretch) => boolean,
): Stretch[] {
  const joined: Stretch[] = []
  stretches.forEach((stretch, i) => {
    const last = joined.at(-1)
    if (last !== undefined && isJoined(stretches[i - 1], stretch)) last.end = stretch.end
    else joined.push({ ...stretch })
  })
  return joined
}
