import { isJsonObject } from '../../json.ts'
import { unsupported, type Part } from '../options.ts'

/** A token and its place in the word that was tokenised, in UTF-16 units. */
export interface ModelToken {
  readonly id: number
  readonly start: number
  readonly end: number
}

/** Turns words of text into the tokens of a vocabulary. */
export interface Model {
  tokenize(word: string): readonly ModelToken[]
  readonly vocabulary: ModelVocabulary
}

/** The tokens of a model by spelling and by id. */
export interface ModelVocabulary {
  readonly ids: ReadonlyMap<string, number>
  readonly tokens: ReadonlyMap<number, string>
  readonly size: number
}

export function makeModelVocabulary(
  entries: readonly (readonly [token: string, id: number])[],
): ModelVocabulary {
  return {
    ids: new Map(entries),
    tokens: new Map(entries.map(([token, id]) => [id, token])),
    size: entries.length,
  }
}

/** The vocabulary that a model spells as an object: ids by token. */
export function readModelVocabulary({ json, place }: Part): ModelVocabulary {
  if (!isJsonObject(json.vocab)) throw unsupported(place, 'no vocab', 'ids by token')
  return makeModelVocabulary(
    Object.entries(json.vocab).map(([token, id]) => {
      if (typeof id !== 'number') throw unsupported(place, `id ${JSON.stringify(id)} of ${token}`, 'a number')
      return [token, id]
    }),
  )
}

/** Spellings of the 256 bytes as tokens, which stand in for characters that a vocabulary lacks. */
export const byteTokens: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
)
