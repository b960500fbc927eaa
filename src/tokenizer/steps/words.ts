import { characterOfByte } from './byte-alphabet.ts'
import type { Model, WordTokens } from './models/model.ts'

/** Words that are kept with their tokens; a language's text repeats far fewer. About 4 MB when full. */
const maxWords = 1 << 16
/** Longer words hardly come again. */
const maxKeptLength = 64
/** Numbers of tokens that are kept beside those of known words: of long words, or of more than are kept. */
const maxSpare = 1 << 20

/**
 * The tokens of words, those of known words found by their characters where they stand: cutting each out of its text first, as a Map
 * wants it, takes as long as all the rest.
 */
export interface WordStore {
  /**
   * The place in `tokens` of what the word [start, end) of a text becomes: how many tokens, then of each its id and the units
   * [start, end) of the word that it stands for.
   */
  find(text: string, start: number, end: number): number
  /** Read anew after each `find`. */
  readonly tokens: Uint32Array
  /** Forgets all words where they are too many; places found before mean nothing then. */
  tidy(): void
}

/** @param spellsBytes  whether the model's tokens spell bytes, and not characters */
export function makeWordStore(model: Model, spellsBytes: boolean): WordStore {
  const tokenize = spellsBytes ? (word: string) => tokenizeBytes(word, model) : model.tokenize
  /** By hash, one more than the index of a word; 0 where there is none. At least half are 0. */
  let index = new Int32Array(0)
  /** Of each word: its hash, the place of its characters, its length, the place of its tokens. */
  let words = new Int32Array(0)
  let characters = new Uint16Array(0)
  let tokens = new Uint32Array(0)
  let wordCount = 0
  let characterCount = 0
  let tokenCount = 0

  function forget(): void {
    index = new Int32Array(1 << 12)
    words = new Int32Array(1 << 13)
    characters = new Uint16Array(1 << 13)
    tokens = new Uint32Array(1 << 13)
    wordCount = characterCount = tokenCount = 0
  }
  forget()

  const placeOf = (hash: number): number => (Math.imul(hash, 0x9e3779b1) >>> 8) & (index.length - 1)

  function enlargeIndex(): void {
    index = new Int32Array(2 * index.length)
    for (let word = 0; word < wordCount; word++) {
      let place = placeOf(words[4 * word])
      while (index[place] !== 0) place = (place + 1) & (index.length - 1)
      index[place] = word + 1
    }
  }

  /** Appends tokens; gives their place. */
  function append({ ids, bounds }: WordTokens): number {
    const place = tokenCount
    if (place + 3 * ids.length + 1 > tokens.length)
      tokens = enlarged(tokens, new Uint32Array(2 * (place + 3 * ids.length + 1)))
    tokens[tokenCount++] = ids.length
    for (let i = 0; i < ids.length; i++) {
      tokens[tokenCount++] = ids[i]
      tokens[tokenCount++] = bounds[2 * i]
      tokens[tokenCount++] = bounds[2 * i + 1]
    }
    return place
  }

  function learn(text: string, start: number, end: number, hash: number): number {
    const place = append(tokenize(text.slice(start, end)))
    if (wordCount === maxWords) return place
    if (2 * wordCount >= index.length) enlargeIndex()
    if (4 * wordCount === words.length) words = enlarged(words, new Int32Array(2 * words.length))
    if (characterCount + end - start > characters.length)
      characters = enlarged(characters, new Uint16Array(2 * characters.length))
    words.set([hash, characterCount, end - start, place], 4 * wordCount++)
    for (let at = start; at < end; at++) characters[characterCount++] = text.charCodeAt(at)
    let own = placeOf(hash)
    while (index[own] !== 0) own = (own + 1) & (index.length - 1)
    index[own] = wordCount
    return place
  }

  return {
    find(text, start, end) {
      const length = end - start
      if (length > maxKeptLength) return append(tokenize(text.slice(start, end)))
      let hash = length
      for (let at = start; at < end; at++) hash = Math.imul(hash, 0x01000193) ^ text.charCodeAt(at)
      const mask = index.length - 1
      for (let place = placeOf(hash); ; place = (place + 1) & mask) {
        const word = 4 * (index[place] - 1)
        if (word < 0) return learn(text, start, end, hash)
        if (words[word] !== hash || words[word + 2] !== length) continue
        const first = words[word + 1]
        let same = 0
        while (same < length && characters[first + same] === text.charCodeAt(start + same)) same++
        if (same === length) return words[word + 3]
      }
    },
    get tokens() {
      return tokens
    },
    tidy() {
      if (wordCount === maxWords || tokenCount > 16 * wordCount + maxSpare) forget()
    },
  }
}

function enlarged<T extends Int32Array | Uint32Array | Uint16Array>(old: T, array: T): T {
  array.set(old)
  return array
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
