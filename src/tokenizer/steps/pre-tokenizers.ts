import { prependText, replaceMatches } from './aligned-text.ts'
import { writeBytes } from './byte-alphabet.ts'
import { behaviors, changeWords, splitAt, type Cut, type PreTokenizer } from './cut.ts'
import { checkGrowth } from './growth.ts'
import { findCharacters, findIn, findPattern, findText, readFinder } from './finder.ts'
import {
  readCharacter,
  readChoice,
  readCount,
  readFlag,
  readFlagOrNull,
  readAll,
  readPart,
  readParts,
  unsupported,
  type Part,
  type Readers,
} from './options.ts'
import { isNumber, isPunctuation, isSpace, isWordCharacter } from './unicode.ts'

const gpt2Pattern = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

const splitAtSpaces = splitAt(findCharacters(isSpace), 'Removed')

const preTokenizerReaders: Readers<PreTokenizer> = {
  ByteLevel(part) {
    const cut = readByteLevel(part)
    const spell = changeWords(writeBytes)
    return (given) => spell(cut(given))
  },
  Metaspace: readMetaspace,
  Split(part) {
    const find = readFinder(part, { mayBeEmpty: true })
    return splitAt(find, readChoice(part, 'behavior', behaviors), readFlag(part, 'invert'))
  },
  Digits(part) {
    return readFlag(part, 'individual_digits')
      ? splitAt(findCharacters(isNumber), 'Isolated')
      : splitAt(findCharacters(isNumber, true), 'Isolated')
  },
  Punctuation: (part) =>
    splitAt(findCharacters(isPunctuation), readChoice(part, 'behavior', behaviors, 'Isolated')),
  CharDelimiterSplit: (part) => splitAt(findText(readCharacter(part, 'delimiter')), 'Removed'),
  WhitespaceSplit: () => splitAtSpaces,
  Whitespace() {
    const splitWords = splitAt(findCharacters(isWordCharacter, true), 'Isolated')
    return (cut) => splitWords(splitAtSpaces(cut))
  },
  BertPreTokenizer() {
    const splitPunctuation = splitAt(findCharacters(isPunctuation), 'Isolated')
    return (cut) => splitPunctuation(splitAtSpaces(cut))
  },
  FixedLength(part) {
    const length = readCount(part, 'length', 5)
    if (length === 0) throw unsupported(part.place, 'length: 0', 'at least 1')
    return splitAtLength(length)
  },
  Sequence(part) {
    const steps = readParts(part, 'pretokenizers', preTokenizerReaders)
    return inTurn(steps, part.place)
  },
}

function inTurn(steps: readonly PreTokenizer[], place: string): PreTokenizer {
  return (cut) =>
    steps.reduce((words, step) => {
      const changed = step(words)
      checkGrowth(place, cut.text.text.length, changed.text.text.length)
      return changed
    }, cut)
}

/** How a text is cut, and whether each word is written as its bytes afterwards, as byte-level tokenizers do at the end. */
export interface Cutting {
  cut: PreTokenizer
  spellsBytes: boolean
}

/**
 * Reads the pre-tokenizer. A `ByteLevel` at its end changes words one by one; that is left to whoever tokenises them, because a
 * word that is known needs it no more.
 */
export function readCutting(json: unknown): Cutting {
  const { type, pretokenizers } = typeof json === 'object' && json !== null ? (json as Part['json']) : {}
  const parts: unknown[] = type === 'Sequence' && Array.isArray(pretokenizers) ? pretokenizers : [json]
  const place = parts[0] === json ? 'pre_tokenizer' : 'pre_tokenizer Sequence'
  const last = parts.at(-1)
  const spellsBytes = typeof last === 'object' && last !== null && 'type' in last && last.type === 'ByteLevel'
  const steps = readAll(parts, (part, i) =>
    spellsBytes && i === parts.length - 1
      ? readPart(part, place, { ByteLevel: readByteLevel })
      : readPart(part, place, preTokenizerReaders),
  )
  return { cut: steps.length === 1 ? steps[0] : inTurn(steps, place), spellsBytes }
}

/** What `ByteLevel` does before it writes bytes. */
function readByteLevel(part: Part): PreTokenizer {
  const addsSpace = readFlag(part, 'add_prefix_space')
  readFlag(part, 'trim_offsets', true)
  const split = readFlag(part, 'use_regex', true)
    ? splitAt(findPattern(gpt2Pattern, part.place), 'Isolated')
    : (cut: Cut) => cut
  if (!addsSpace) return split
  const add = changeWords((word) => (word.text.startsWith(' ') ? word : prependText(word, ' ')))
  return (cut) => split(add(cut))
}

function readMetaspace(part: Part): PreTokenizer {
  const mark = readCharacter(part, 'replacement')
  const scheme = readChoice(part, 'prepend_scheme', ['always', 'first', 'never'], 'always')
  if (part.json.add_prefix_space === false && scheme !== 'never')
    throw unsupported(
      part.place,
      `add_prefix_space: false and prepend_scheme: ${scheme}`,
      'one meaning of both',
    )
  const space = findText(' ')
  const change = changeWords((given) => {
    const text = replaceMatches(given, findIn(given.text, space), mark)
    const isFirst = (given.offset ?? given.starts[0]) === 0
    const isMarked = text.text.startsWith(mark) || scheme === 'never' || (scheme === 'first' && !isFirst)
    return isMarked ? text : prependText(text, mark)
  })
  if (!readFlagOrNull(part, 'split', true)) return change
  const split = splitAt(findText(mark), 'MergedWithNext')
  return (cut) => split(change(cut))
}

/** Words of so many characters. */
function splitAtLength(length: number): PreTokenizer {
  return ({ text, borders, budget }) => {
    const words: number[] = []
    for (let i = 0; i < borders.length; i += 2) {
      let start = borders[i]
      let count = 0
      for (let at = start; at < borders[i + 1];) {
        at += (text.text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
        if (++count < length && at < borders[i + 1]) continue
        words.push(start, at)
        start = at
        count = 0
      }
    }
    return { text, borders: words, budget }
  }
}
