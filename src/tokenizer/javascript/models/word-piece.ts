import { lengthAt } from '../aligned-text.ts'
import { readNumber, readText, unsupported, type Part } from '../options.ts'
import { readModelVocabulary, type Model, type ModelToken, type ModelVocabulary } from './model.ts'

/**
 * WordPiece: the longest token that a word begins with, then the longest that goes on with it, and so to the end; a word that
 * cannot be cut like that is unknown.
 * Source: Schuster and Nakajima 2012; https://github.com/google-research/bert/blob/master/tokenization.py
 */
export function readWordPiece(part: Part): Model {
  const vocabulary = readModelVocabulary(part)
  const { ids } = vocabulary
  const prefix = readText(part, 'continuing_subword_prefix', '##')
  const maxLength = readNumber(part, 'max_input_chars_per_word', 100)
  const unknown = unknownOf(part, vocabulary, '[UNK]')

  /** The longest token at a place. */
  const longest = (word: string, start: number): ModelToken | undefined => {
    const before = start > 0 ? prefix : ''
    for (let end = word.length; end > start; end -= lengthAt(word, end - 2) === 2 ? 2 : 1) {
      const id = ids.get(before + word.slice(start, end))
      if (id !== undefined) return { id, start, end }
    }
    return undefined
  }
  return {
    vocabulary,
    tokenize(word) {
      if (Array.from(word).length > maxLength) return unknown(word)
      const tokens: ModelToken[] = []
      for (let start = 0; start < word.length;) {
        const token = longest(word, start)
        if (token === undefined) return unknown(word)
        tokens.push(token)
        start = token.end
      }
      return tokens
    },
  }
}

/** Words as they are. */
export function readWordLevel(part: Part): Model {
  const vocabulary = readModelVocabulary(part)
  const unknown = unknownOf(part, vocabulary, '<unk>')
  return {
    vocabulary,
    tokenize(word) {
      const id = vocabulary.ids.get(word)
      return id === undefined ? unknown(word) : [{ id, start: 0, end: word.length }]
    },
  }
}

function unknownOf(part: Part, { ids }: ModelVocabulary, usual: string): (word: string) => ModelToken[] {
  const token = readText(part, 'unk_token', usual)
  return (word) => {
    const id = ids.get(token)
    if (id === undefined)
      throw unsupported(
        part.place,
        `${JSON.stringify(word)}, which is no token, and no ${token}`,
        'one of both',
      )
    return [{ id, start: 0, end: word.length }]
  }
}
