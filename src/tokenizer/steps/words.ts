import { characterOfByte } from './byte-alphabet.ts'
import { ownCopy } from '../own-copy.ts'
import type { Model, WordTokens } from './models/model.ts'

/** Places for words that are kept with their tokens; a language's text repeats far fewer. About 15 MB when full. */
const places = 1 << 17
/** How many of them are filled at most: then all are forgotten. */
const maxWords = 1 << 16
/** Longer words hardly come again. */
const maxKeptLength = 64

/** The tokens of the word [start, end) of a text. */
export type WordTokenizer = (text: string, start: number, end: number) => WordTokens

/**
 * The tokens of words; those of a word that was seen before are known. Words are looked up by their characters where they stand:
 * cutting each of them out of its text first, as a Map wants it, takes as long as all the rest.
 *
 * @param spellsBytes  whether the model's tokens spell bytes, and not characters
 */
export function makeWordTokenizer(model: Model, spellsBytes: boolean): WordTokenizer {
  let words: (string | undefined)[] = []
  let tokensOf: WordTokens[] = []
  let count = 0
  const tokenize = spellsBytes ? (word: string) => tokenizeBytes(word, model) : model.tokenize
  return (text, start, end) => {
    if (end - start > maxKeptLength) return tokenize(text.slice(start, end))
    let hash = end - start
    for (let at = start; at < end; at++) hash = Math.imul(hash, 0x01000193) ^ text.charCodeAt(at)
    let place = (Math.imul(hash, 0x9e3779b1) >>> 8) & (places - 1)
    for (let word = words[place]; word !== undefined; word = words[place]) {
      if (word.length === end - start && isAt(text, start, word)) return tokensOf[place]
      place = (place + 1) & (places - 1)
    }
    const word = ownCopy(text.slice(start, end))
    const tokens = tokenize(word)
    if (count === 0 || count === maxWords) {
      words = Array.from({ length: places })
      tokensOf = Array.from({ length: places })
      count = 0
      place = (Math.imul(hash, 0x9e3779b1) >>> 8) & (places - 1)
    }
    words[place] = word
    tokensOf[place] = tokens
    count++
    return tokens
  }
}

function isAt(text: string, start: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (text.charCodeAt(start + i) !== word.charCodeAt(i)) return false
  return true
}

const encoder = new TextEncoder()

function tokenizeBytes(word: string, model: Model): WordTokens {
  let spelled = ''
  // Of each byte, the units [start, end) of its character, once there is one of several bytes.
  let units: number[] | undefined
  for (let at = 0; at < word.length;) {
    const unit = word.charCodeAt(at)
    if (unit < 0x80) {
      spelled += characterOfByte[unit]
      units?.push(at, at + 1)
      at++
      continue
    }
    units ??= Array.from({ length: 2 * at }, (_, i) => (i + 1) >> 1)
    const end = at + ((word.codePointAt(at) ?? 0) > 0xffff ? 2 : 1)
    for (const byte of encoder.encode(word.slice(at, end))) {
      spelled += characterOfByte[byte]
      units.push(at, end)
    }
    at = end
  }
  const { ids, bounds } = model.tokenize(spelled)
  if (units === undefined) return { ids, bounds }
  const known = units
  return { ids, bounds: bounds.map((at, i) => (i % 2 === 0 ? known[2 * at] : known[2 * at - 1])) }
}
