import { characterOfByte } from './byte-alphabet.ts'
import type { Model, WordTokens } from './models/model.ts'

/** Words that are kept with their tokens; a language's text repeats far fewer. About 8 MB when full. */
const maxWords = 1 << 16
/** Longer words hardly come again. */
const maxKeptLength = 64
/** Numbers of the store, those of words that are not kept among them. */
const maxSize = 1 << 21

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
  /** By hash, one more than the place of a word in `store`; 0 where there is none. At least half are 0. */
  let index = new Int32Array(0)
  /** Of each word: its hash, its length, its characters, its tokens; all beside each other, because memory is what takes the time. */
  let store = new Uint32Array(0)
  let wordCount = 0
  let size = 0

  function forget(): void {
    index = new Int32Array(1 << 12)
    store = new Uint32Array(1 << 14)
    wordCount = size = 0
  }
  forget()

  const slotOf = (hash: number): number => (Math.imul(hash, 0x9e3779b1) >>> 8) & (index.length - 1)

  function enter(place: number): void {
    let slot = slotOf(store[place])
    while (index[slot] !== 0) slot = (slot + 1) & (index.length - 1)
    index[slot] = place + 1
  }

  function enlargeIndex(): void {
    const words = index.filter((word) => word !== 0)
    index = new Int32Array(2 * index.length)
    for (const word of words) enter(word - 1)
  }

  function makeRoom(count: number): void {
    if (size + count <= store.length) return
    const old = store
    store = new Uint32Array(2 * (size + count))
    store.set(old)
  }

  /** Appends tokens; gives their place. */
  function append({ ids, bounds }: WordTokens): number {
    makeRoom(3 * ids.length + 1)
    const place = size
    store[size++] = ids.length
    for (let i = 0; i < ids.length; i++) {
      store[size++] = ids[i]
      store[size++] = bounds[2 * i]
      store[size++] = bounds[2 * i + 1]
    }
    return place
  }

  function learn(text: string, start: number, end: number, hash: number): number {
    const tokens = tokenize(text.slice(start, end))
    if (wordCount === maxWords) return append(tokens)
    if (2 * wordCount >= index.length) enlargeIndex()
    makeRoom(end - start + 2)
    const place = size
    store[size++] = hash
    store[size++] = end - start
    for (let at = start; at < end; at++) store[size++] = text.charCodeAt(at)
    enter(place)
    wordCount++
    return append(tokens)
  }

  return {
    find(text, start, end) {
      const length = end - start
      if (length > maxKeptLength) return append(tokenize(text.slice(start, end)))
      let hash = length
      for (let at = start; at < end; at++) hash = Math.imul(hash, 0x01000193) ^ text.charCodeAt(at)
      hash >>>= 0
      const mask = index.length - 1
      for (let slot = slotOf(hash); ; slot = (slot + 1) & mask) {
        const place = index[slot] - 1
        if (place < 0) return learn(text, start, end, hash)
        if (store[place] !== hash || store[place + 1] !== length) continue
        const first = place + 2
        let same = 0
        while (same < length && store[first + same] === text.charCodeAt(start + same)) same++
        if (same === length) return first + length
      }
    },
    get tokens() {
      return store
    },
    tidy() {
      if (wordCount === maxWords || size > maxSize) forget()
    },
  }
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
