import { quoteValue } from '../../../error.ts'
import { isJsonObject } from '../../json.ts'
import { unsupported, type Part } from '../options.ts'
import { isTokenTable, makeTokenTable, type TokenTable } from './token-table.ts'

/** The tokens of a word. */
export interface WordTokens {
  readonly ids: readonly number[]
  /** The UTF-16 units [start, end) of the word that each token stands for: start and end, one after the other. */
  readonly bounds: readonly number[]
}

/** Turns words of text into the tokens of a vocabulary. */
export interface Model {
  tokenize(word: string): WordTokens
  readonly vocabulary: ModelVocabulary
}

/** The tokens of a model by spelling and by id. */
export interface ModelVocabulary {
  readonly ids: TokenTable
  tokenOf(id: number): string | undefined
  readonly size: number
}

/** A word that is one token. */
export function wholeWord(word: string, id: number): WordTokens {
  return { ids: [id], bounds: [0, word.length] }
}

/** @param spellings  by id, where there are any twice: ids lead to the last spelling, as in the Rust library */
export function makeModelVocabulary(ids: TokenTable, spellings?: readonly string[]): ModelVocabulary {
  // Made when first needed: whoever only counts tokens does not.
  let tokens: Map<number, string> | undefined
  return {
    ids,
    size: spellings?.length ?? ids.size,
    tokenOf(id) {
      if (spellings !== undefined) return spellings.at(id < 0 ? spellings.length : id)
      if (tokens === undefined) {
        tokens = new Map()
        for (const [token, own] of ids.entries()) tokens.set(own, token)
      }
      return tokens.get(id)
    },
  }
}

/** The largest id that fettle, like the Rust library, can hold. */
const maxId = 0xffffffff

/** The vocabulary that a model spells as an object: ids by token. */
export function readModelVocabulary({ json, place }: Part): ModelVocabulary {
  const { vocab } = json
  if (isTokenTable(vocab)) return makeModelVocabulary(vocab)
  if (!isJsonObject(vocab)) throw unsupported(place, `vocab: ${quoteValue(vocab)}`, 'ids by token')
  const ids = makeTokenTable(1 << 10)
  for (const [token, id] of Object.entries(vocab)) {
    if (!isId(id)) throw unsupported(place, `id ${quoteValue(id)} of ${quoteValue(token)}`, 'a whole number')
    ids.set(token, 0, token.length, id)
  }
  return makeModelVocabulary(ids)
}

export function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxId
}

/** Spellings of the 256 bytes as tokens, which stand in for characters that a vocabulary lacks. */
export const byteTokens: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
)
