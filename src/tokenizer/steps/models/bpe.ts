import { quoteValue } from '../../../error.ts'
import { lengthAt } from '../aligned-text.ts'
import { readFlagOrNull, readText, unsupported, type Part } from '../options.ts'
import { utf8Length } from '../utf8-length.ts'
import { mergeAll, readMerges, type Row } from './merges.ts'
import {
  byteTokens,
  readModelVocabulary,
  wholeWord,
  type Model,
  type ModelVocabulary,
  type WordTokens,
} from './model.ts'

/**
 * Byte pair encoding: a word begins as its characters, and of all neighbours that can be merged those of the lowest rank are,
 * from left to right.
 * Source: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909
 */
export function readBpe(part: Part): Model {
  const { json, place } = part
  if (json.dropout !== undefined && json.dropout !== null && json.dropout !== 0)
    throw unsupported(
      place,
      `dropout: ${quoteValue(json.dropout)}`,
      'none: the same text would get other tokens each time',
    )
  const vocabulary = readModelVocabulary(part)
  const affixes = {
    prefix: optionalText(part, 'continuing_subword_prefix'),
    suffix: optionalText(part, 'end_of_word_suffix'),
  }
  const merges = readMerges(part, vocabulary, affixes.prefix)
  const cut = makeCutter(part, vocabulary, affixes)
  const { ids } = vocabulary
  const keepsWholes = readFlagOrNull(part, 'ignore_merges', false)
  const row: Row = { ids: new Int32Array(256), starts: new Int32Array(257), count: 0 }

  return {
    vocabulary,
    tokenize(word) {
      const whole = keepsWholes ? ids.get(word) : undefined
      if (whole !== undefined) return wholeWord(word, whole)
      if (row.ids.length < 4 * word.length) {
        row.ids = new Int32Array(4 * word.length)
        row.starts = new Int32Array(4 * word.length + 1)
      }
      const isShifted = cut(word, row)
      mergeAll(row, merges)
      const tokens = tokensOf(row)
      if (row.ids.length > 1 << 16) {
        row.ids = new Int32Array(256)
        row.starts = new Int32Array(257)
      }
      return isShifted ? inUnits(word, tokens) : tokens
    },
  }
}

function optionalText({ json, place }: Part, key: string): string {
  const value = json[key] ?? ''
  if (typeof value !== 'string') throw unsupported(place, `${key}: ${quoteValue(value)}`, 'a text')
  return value
}

const isAbsent = (value: unknown): boolean => value === null || value === undefined

function tokensOf({ ids, starts, count }: Row): WordTokens {
  const found: number[] = []
  const bounds: number[] = []
  for (let i = 0; i < count; i++) {
    found.push(ids[i] >>> 0)
    bounds.push(starts[i], starts[i + 1])
  }
  return { ids: found, bounds }
}

/**
 * Cuts a word into its characters as tokens, with bytes or the unknown token for those that the vocabulary lacks. Without
 * both they are lost. It says whether tokens begin at bytes of the word instead of its units.
 */
type Cutter = (word: string, row: Row) => boolean

function makeCutter(
  part: Part,
  { ids }: ModelVocabulary,
  { prefix, suffix }: { prefix: string; suffix: string },
): Cutter {
  const { json, place } = part
  const unknown = isAbsent(json.unk_token) ? undefined : readText(part, 'unk_token')
  const fuses = readFlagOrNull(part, 'fuse_unk', false)
  const isPlain = prefix + suffix === ''
  const bytes = readFlagOrNull(part, 'byte_fallback', false)
    ? byteTokens.map((token) => ids.get(token))
    : undefined
  if (bytes !== undefined && !isPlain)
    throw unsupported(place, 'byte_fallback with prefixes or suffixes', 'one of both')
  const encoder = new TextEncoder()
  // -1 for units that are no token by themselves, -2 where that was not asked yet.
  const idOfUnit = new Float64Array(0x10000).fill(-2)

  const bytesOf = (character: string): number[] | undefined => {
    if (bytes === undefined) return undefined
    const found = Array.from(encoder.encode(character), (byte) => bytes[byte])
    return found.every((id) => id !== undefined) ? found : undefined
  }
  const unknownId = (character: string): number | undefined => {
    if (unknown === undefined) return undefined
    const id = ids.get(unknown)
    if (id !== undefined) return id
    throw unsupported(
      place,
      `${quoteValue(character)}, which is no token, and neither is unk_token ${quoteValue(unknown)}`,
      'one of both',
    )
  }

  /** Cuts a word all of whose characters are tokens; says whether it is one. */
  const cutKnown = (word: string, row: Row): boolean => {
    let count = 0
    for (let at = 0; at < word.length;) {
      const unit = word.charCodeAt(at)
      const units = unit >= 0xd800 && unit <= 0xdbff ? lengthAt(word, at) : 1
      let id: number | undefined
      if (units === 2) id = ids.get(word.slice(at, at + 2)) ?? -1
      else {
        id = idOfUnit[unit]
        if (id === -2) id = idOfUnit[unit] = ids.get(word[at]) ?? -1
      }
      if (id < 0) return false
      row.ids[count] = id
      row.starts[count++] = at
      at += units
    }
    row.starts[count] = word.length
    row.count = count
    return true
  }

  return (word, row) => {
    if (isPlain && cutKnown(word, row)) return false
    let count = 0
    let byte = 0
    const add = (id: number, size: number): void => {
      row.ids[count] = id
      row.starts[count++] = byte
      byte += size
    }
    // Of unknown characters, which wait for what follows: it may be one with them.
    let waiting: { id: number; size: number } | undefined
    const flush = (): void => {
      if (waiting !== undefined) add(waiting.id, waiting.size)
      waiting = undefined
    }
    let at = 0
    for (const character of word) {
      const isFirst = at === 0
      at += character.length
      const id = ids.get((isFirst ? '' : prefix) + character + (at === word.length ? suffix : ''))
      const size = utf8Length(character)
      if (id !== undefined) {
        flush()
        add(id, size)
        continue
      }
      const own = bytesOf(character)
      if (own !== undefined) for (const one of own) add(one, 1)
      else {
        const lacking = unknownId(character)
        if (lacking === undefined) continue
        if (waiting !== undefined && fuses) waiting.size += size
        else {
          flush()
          waiting = { id: lacking, size }
        }
      }
    }
    flush()
    row.starts[count] = byte
    row.count = count
    return true
  }
}

/**
 * Tokens whose bounds count bytes in UTF-16 units. The Rust library adds up the bytes of tokens only, so that what stands behind
 * characters that were lost counts as earlier ones.
 */
function inUnits(word: string, { ids, bounds }: WordTokens): WordTokens {
  const unitOfByte: number[] = []
  let at = 0
  for (const character of word) {
    for (let i = utf8Length(character); i > 0; i--) unitOfByte.push(at)
    at += character.length
  }
  return {
    ids,
    bounds: bounds.map((byte, i) => {
      if (i % 2 === 0) return unitOfByte[byte]
      const last = unitOfByte[byte - 1]
      return last + lengthAt(word, last)
    }),
  }
}
