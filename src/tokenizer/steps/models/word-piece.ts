import { quoteValue } from '../../../error.ts'
import { lengthAt } from '../aligned-text.ts'
import { readCount, readText, unsupported, type Part } from '../options.ts'
import { readModelVocabulary, wholeWord, type Model, type ModelVocabulary, type WordTokens } from './model.ts'

/**
 * WordPiece: the longest token that a word begins with, then the longest that goes on with it, and so to the end; a word that
 * cannot be cut like that is unknown.
 * Source: Schuster and Nakajima 2012; https://github.com/google-research/bert/blob/master/tokenization.py
 */
export function readWordPiece(part: Part): Model {
  const vocabulary = readModelVocabulary(part)
  const { ids } = vocabulary
  const prefix = readText(part, 'continuing_subword_prefix')
  const maxLength = readCount(part, 'max_input_chars_per_word')
  const unknown = unknownOf(part, vocabulary)
  const longest = [...ids.entries()].reduce((most, [token]) => Math.max(most, token.length), 0)

  /** The id and the end of the longest token at a place. */
  const longestAt = (word: string, start: number): { id: number; end: number } | undefined => {
    const before = start > 0 ? prefix : ''
    let end = Math.min(word.length, start + longest)
    if (end < word.length && lengthAt(word, end - 1) === 2) end--
    for (; end > start; end -= lengthAt(word, end - 2) === 2 ? 2 : 1) {
      const id = ids.get(before + word.slice(start, end))
      if (id !== undefined) return { id, end }
    }
    return undefined
  }
  return {
    vocabulary,
    tokenize(word) {
      // A character has at most two units.
      if (word.length > maxLength && Array.from(word).length > maxLength) return unknown(word)
      const found: number[] = []
      const bounds: number[] = []
      for (let start = 0; start < word.length;) {
        const token = longestAt(word, start)
        if (token === undefined) return unknown(word)
        found.push(token.id)
        bounds.push(start, token.end)
        start = token.end
      }
      return { ids: found, bounds }
    },
  }
}

/** Words as they are. */
export function readWordLevel(part: Part): Model {
  const vocabulary = readModelVocabulary(part)
  const unknown = unknownOf(part, vocabulary)
  return {
    vocabulary,
    tokenize(word) {
      const id = vocabulary.ids.get(word)
      return id === undefined ? unknown(word) : wholeWord(word, id)
    },
  }
}

function unknownOf(part: Part, { ids }: ModelVocabulary): (word: string) => WordTokens {
  const token = readText(part, 'unk_token')
  const { place } = part
  return (word) => {
    const id = ids.get(token)
    if (id !== undefined) return wholeWord(word, id)
    throw unsupported(
      place,
      `${quoteValue(word)}, which is no token, and no ${quoteValue(token)}`,
      'one of both',
    )
  }
}
