import {
  applyChanges,
  mapCharacters,
  prependText,
  replaceMatches,
  sliceText,
  type AlignedText,
} from './aligned-text.ts'
import { writeBytes } from './byte-alphabet.ts'
import { normalForm, type NormalForm } from './normal-forms.ts'
import { findIn, readFinder } from './finder.ts'
import { checkGrowth } from './growth.ts'
import { readFlag, readFlagOrNull, readParts, readText, type Part, type Readers } from './options.ts'
import { mapGraphemes, readCharacterMap } from './precompiled.ts'
import { isCombiningMark, isControl, isNonspacingMark, isSpace } from './unicode.ts'

/** Changes a text before it is cut. */
export type Normalizer = (text: AlignedText) => AlignedText

const lowercase: Normalizer = (text) => mapCharacters(text, (character) => character.toLowerCase())

export const normalizerReaders: Readers<Normalizer> = {
  NFC: formReader('NFC'),
  NFD: formReader('NFD'),
  NFKC: formReader('NFKC'),
  NFKD: formReader('NFKD'),
  Lowercase: () => lowercase,
  Nmt: () => cleanForTranslation,
  StripAccents: () => (text) =>
    mapCharacters(text, (character) => (isCombiningMark(character) ? '' : character)),
  Replace(part) {
    const find = readFinder(part, { mayBeEmpty: false })
    const content = readText(part, 'content')
    return (text) => {
      const matches = findIn(text.text, find)
      checkGrowth(part.place, text.text.length, (matches.length / 2) * content.length)
      return replaceMatches(text, matches, content)
    }
  },
  Prepend(part) {
    const before = readText(part, 'prepend')
    return (text) => prependText(text, before)
  },
  Strip(part) {
    const left = readFlag(part, 'strip_left')
    const right = readFlag(part, 'strip_right')
    return (text) => stripSpaces(text, left, right)
  },
  Precompiled(part) {
    const map = readCharacterMap(readText(part, 'precompiled_charsmap'), part.place)
    return (text) => {
      const changes = mapGraphemes(text.text, map)
      return changes === undefined ? text : applyChanges(text, changes)
    }
  },
  ByteLevel: () => writeBytes,
  BertNormalizer: readBert,
  Sequence(part) {
    const steps = readParts(part, 'normalizers', normalizerReaders)
    return (text) =>
      steps.reduce((result, step) => {
        const changed = step(result)
        checkGrowth(part.place, text.text.length, changed.text.length)
        return changed
      }, text)
  },
}

function formReader(form: NormalForm): (part: Part) => Normalizer {
  return () => (text) => {
    const changes = normalForm(text.text, form)
    return changes === undefined ? text : applyChanges(text, changes)
  }
}

/** What is left out, and what becomes a space, before text is translated: sentencepiece's rules named nmt. */
const lost = new RegExp(String.raw`[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]`)
const blank = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/
const cleanForTranslation: Normalizer = (text) =>
  mapCharacters(text, (character) => (lost.test(character) ? '' : blank.test(character) ? ' ' : character))

function stripSpaces(aligned: AlignedText, left: boolean, right: boolean): AlignedText {
  const { text } = aligned
  let start = 0
  let end = text.length
  while (left && start < end && isSpace(text[start])) start++
  while (right && end > start && isSpace(text[end - 1])) end--
  return sliceText(aligned, start, end)
}

/** The ideographs around which BERT wants spaces. */
const ideograph = new RegExp(
  String.raw`[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]`,
  'u',
)

function readBert(part: Part): Normalizer {
  const lowers = readFlag(part, 'lowercase')
  const steps: Normalizer[] = []
  if (readFlag(part, 'clean_text'))
    steps.push((text) =>
      mapCharacters(text, (character) =>
        character === '\0' || isControl(character) ? '' : isSpace(character) ? ' ' : character,
      ),
    )
  if (readFlag(part, 'handle_chinese_chars'))
    steps.push((text) =>
      mapCharacters(text, (character) => (ideograph.test(character) ? ` ${character} ` : character)),
    )
  if (readFlagOrNull(part, 'strip_accents', lowers)) {
    const decompose = formReader('NFD')(part)
    steps.push((text) =>
      mapCharacters(decompose(text), (character) => (isNonspacingMark(character) ? '' : character)),
    )
  }
  if (lowers) steps.push(lowercase)
  return (text) => steps.reduce((result, step) => step(result), text)
}
