import { addTokens, type KnownTokens } from './known-tokens.ts'
import type { AddedToken } from './named-tokens.ts'

/** The tokens of a tokenizer by id and by spelling. */
export interface Vocabulary {
  idOf(token: string): number | undefined
  tokenOf(id: number): string | undefined
  /** Adds tokens that are matched as a whole; returns how many are new. */
  add(tokens: readonly (string | AddedToken)[]): number
  /** The text of tokens; ids that are no tokens have none. */
  decode(ids: Iterable<number>, skipSpecialTokens: boolean): string
  /** Every special token, in the order of ids. */
  specialTokens(): string[]
}

/**
 * The vocabulary of a backend.
 *
 * @param cleanUp  `clean_up_tokenization_spaces`, which byte-level texts do not need
 */
export function makeVocabulary({ backend, added, modelType }: KnownTokens, cleanUp: boolean): Vocabulary {
  // A call into the backend may cost more than a look-up, and texts ask for the same tokens again and again.
  const tokenById = new Map<number, string | undefined>()
  const tokenOf = (id: number): string | undefined => {
    if (!tokenById.has(id))
      tokenById.set(id, Number.isInteger(id) && id >= 0 ? backend.tokenOf(id) : undefined)
    return tokenById.get(id)
  }
  return {
    idOf: backend.idOf,
    tokenOf,
    add(tokens) {
      tokenById.clear()
      return addTokens(
        backend,
        added,
        tokens.map((token) => (typeof token === 'string' ? { content: token } : token)),
      )
    },
    decode(ids, skipSpecialTokens) {
      const tokens: string[] = []
      for (const id of ids) {
        const token = tokenOf(id)
        if (token !== undefined && !(skipSpecialTokens && added.get(token)?.special === true))
          tokens.push(token)
      }
      const text = backend.decode(tokens)
      return cleanUp && modelType !== 'BPE' ? cleanUpSpaces(text) : text
    },
    specialTokens: () =>
      [...added]
        .filter(([, { special }]) => special)
        .toSorted(([, a], [, b]) => a.id - b.id)
        .map(([content]) => content),
  }
}

/** What `clean_up_tokenization_spaces` asks for: no space before punctuation and English contractions. */
function cleanUpSpaces(text: string): string {
  return text
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re")
}
