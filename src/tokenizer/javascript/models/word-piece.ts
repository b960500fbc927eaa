import { lengthAt } from '../aligned-text.ts'
import { readNumber, readText, unsupported, type Part } from '../options.ts'
import { readVocabulary, type Model, type ModelToken, type Vocabulary } from './model.ts'

/**
 * WordPiece: the longest token that a word begins with, then the longest that goes on with it, and so to the end; a word that
 * cannot be cut like that is unknown.
 * Source: Schuster and Nakajima 2012; https://github.com/google-research/bert/blob/master/tokenization.py
 */
export function readWordPiece(part: Part): Model {
  const vocabulary = readVocabulary(part)
  const { ids } = vocabulary
  const prefix = readText(part, 'continuing_subword_prefix', '##')
  const maxLength = readNumber(part, 'max_input_chars_per_word', 100)
  const unknown = unknownOf(part, vocabulary, '[UNK]')

  /** The longest token at a place. */
  const longest = (piece: string, start: number): ModelToken | undefined => {
    const before = start > 0 ? prefix : ''
    for (let end = piece.length; end > start; end -= lengthAt(piece, end - 2) === 2 ? 2 : 1) {
      const id = ids.get(before + piece.slice(start, end))
      if (id !== undefined) return { id, start, end }
    }
    return undefined
  }
  return {
    vocabulary,
    tokenize(piece) {
      if (Array.from(piece).length > maxLength) return unknown(piece)
      const tokens: ModelToken[] = []
      for (let start = 0; start < piece.length;) {
        const token = longest(piece, start)
        if (token === undefined) return unknown(piece)
        tokens.push(token)
        start = token.end
      }
      return tokens
    },
  }
}

/** Words as they are. */
export function readWordLevel(part: Part): Model {
  const vocabulary = readVocabulary(part)
  const unknown = unknownOf(part, vocabulary, '<unk>')
  return {
    vocabulary,
    tokenize(piece) {
      const id = vocabulary.ids.get(piece)
      return id === undefined ? unknown(piece) : [{ id, start: 0, end: piece.length }]
    },
  }
}

function unknownOf(part: Part, { ids }: Vocabulary, usual: string): (piece: string) => ModelToken[] {
  const token = readText(part, 'unk_token', usual)
  return (piece) => {
    const id = ids.get(token)
    if (id === undefined)
      throw unsupported(
        part.place,
        `${JSON.stringify(piece)}, which is no token, and no ${token}`,
        'one of both',
      )
    return [{ id, start: 0, end: piece.length }]
  }
}
