import { longestFirst } from './added-pattern.ts'
import type { Backend } from './backend.ts'
import type { KnownToken } from './known-tokens.ts'
import { ownCopy } from './own-copy.ts'
import { cutsAlike, type WordRules } from './word-rules.ts'

/*
 * A byte-level tokenizer encodes each word of a text on its own, so that the tokens of a word that was seen before
 * need not be computed again. The backend encodes every word once; texts are then put together here, in a tenth of the
 * time that the Rust library takes for a whole text, most of which goes into offsets that nobody reads.
 */

/** A word, or an added token, with its tokens once they are known. */
interface Word {
  ids: readonly number[]
}

/** Tokens of a text, and the index of the token that begins at each of the borders that were asked for. */
export interface WordEncoding {
  inputIds: Int32Array
  tokenAt: ReadonlyMap<number, number>
}

/** A text as words. */
export interface CutText {
  readonly words: readonly Word[]
  /** For each border, ascending, the index of the word that begins there. */
  readonly borders: readonly (readonly [offset: number, word: number])[]
}

/** Encodes texts by their words. */
export interface WordEncoder {
  /**
   * Cuts a text into words; `undefined` where it cannot be said for sure how the Rust library would, or where a
   * border (UTF-16 offset, ascending) lies inside a word or before a space.
   */
  cut(text: string, borders: readonly number[]): CutText | undefined
  /** The tokens of all words cut so far are known when this resolves. */
  encodeWords(): Promise<void>
  /** Puts the tokens of a cut text together, after `encodeWords`. */
  join(text: CutText): WordEncoding
}

/** Words that are kept, about 10 MB of them; a language's text repeats far fewer. */
const maxWords = 1 << 16
/** Longer ones hardly come again. */
const maxKeptLength = 64
const spaceCode = 32

/** The encoder of a tokenizer with these rules; `undefined` where its added tokens are not matched verbatim. */
export function makeWordEncoder(
  backend: Backend,
  rules: WordRules,
  added: ReadonlyMap<string, KnownToken>,
): WordEncoder | undefined {
  for (const [content, { isVerbatim }] of added)
    if (!isVerbatim || content === '' || (rules.trimsSpaces && /^\s/.test(content))) return undefined
  const separator = longestFirst([...added.keys()])
  const tokens = new Map<string, Word>()
  for (const [content, { id }] of added) tokens.set(content, { ids: [id] })
  const known = new Map<string, Word>()
  let unknown: [string, Word][] = []
  let encoded: Promise<unknown> = Promise.resolve()

  const learn = (found: string): Word => {
    const word = ownCopy(found)
    const entry: Word = { ids: [] }
    unknown.push([word, entry])
    if (word.length <= maxKeptLength) known.set(word, entry)
    return entry
  }
  const encode = async (missing: readonly [string, Word][]): Promise<void> => {
    const encodings = await backend.encode(
      missing.map(([word]) => word),
      undefined,
      false,
    )
    encodings.forEach((encoding, i) => (missing[i][1].ids = encoding.ids()))
  }

  return {
    cut(text, borders) {
      if (!cutsAlike(text, rules)) return undefined
      const words: Word[] = []
      const placed: [number, number][] = []
      let position = 0
      let next = 0
      const push = (word: Word, length: number): void => {
        while (next < borders.length && borders[next] === position)
          placed.push([borders[next++], words.length])
        words.push(word)
        position += length
      }
      const parts = separator === undefined ? [text] : text.split(separator)
      for (let i = 0; i < parts.length; i++) {
        const part = parts[i]
        const token = i % 2 === 1 ? tokens.get(part) : undefined
        if (token !== undefined) {
          push(token, part.length)
          continue
        }
        for (const found of part.match(rules.pattern) ?? []) {
          const startsWithSpace = rules.trimsSpaces && found.charCodeAt(0) === spaceCode
          if (startsWithSpace && borders[next] === position) return undefined
          push(known.get(found) ?? learn(found), found.length)
        }
      }
      while (next < borders.length && borders[next] === position) placed.push([borders[next++], words.length])
      // A border inside a word was never reached, and neither were those behind it.
      return position === text.length && next === borders.length ? { words, borders: placed } : undefined
    },

    async encodeWords() {
      const missing = unknown
      unknown = []
      if (missing.length > 0) encoded = Promise.all([encoded, encode(missing)])
      if (known.size > maxWords) known.clear()
      try {
        await encoded
      } catch (error) {
        // Words without tokens must not be found again.
        known.clear()
        encoded = Promise.resolve()
        throw error
      }
    },

    join({ words, borders }) {
      let length = 0
      for (const { ids } of words) length += ids.length
      const inputIds = new Int32Array(length)
      const tokenAt = new Map<number, number>()
      let token = 0
      let next = 0
      for (let i = 0; i <= words.length; i++) {
        while (next < borders.length && borders[next][1] === i) tokenAt.set(borders[next++][0], token)
        if (i === words.length) break
        const { ids } = words[i]
        for (let j = 0; j < ids.length; j++) inputIds[token++] = ids[j]
      }
      return { inputIds, tokenAt }
    },
  }
}
