/** The tokens of one text, of its pair, or of what stands around them. All lists are of one length. */
export interface TokenList {
  /** The text of which these are tokens; empty around texts. */
  text: string
  ids: number[]
  /** The vocabulary's spelling, or of added tokens what they matched. */
  tokens: string[]
  typeIds: number[]
  /** UTF-16 [start, end). */
  offsets: [number, number][]
  /** 0 text, 1 pair, null around them. */
  sequences: (0 | 1 | null)[]
}

export function emptyList(text: string): TokenList {
  return { text, ids: [], tokens: [], typeIds: [], offsets: [], sequences: [] }
}

/** Tokens that stand for no characters. */
export function aroundList(ids: readonly number[], tokens: readonly string[], typeId: number): TokenList {
  return {
    text: '',
    ids: [...ids],
    tokens: [...tokens],
    typeIds: ids.map(() => typeId),
    offsets: ids.map(() => [0, 0]),
    sequences: ids.map(() => null),
  }
}

export function concatLists(lists: readonly TokenList[]): Omit<TokenList, 'text' | 'tokens'> {
  return {
    ids: lists.flatMap(({ ids }) => ids),
    typeIds: lists.flatMap(({ typeIds }) => typeIds),
    offsets: lists.flatMap(({ offsets }) => offsets),
    sequences: lists.flatMap(({ sequences }) => sequences),
  }
}
