import type { AddedToken } from './named-tokens.ts'

/** The steps between text and tokens that a tokenizer.json describes; `steps/` makes them. */
export interface Backend {
  /**
   * Tokenises a text, or a text and its pair.
   *
   * @param addSpecialTokens  whether to add what the tokenizer puts around every text
   */
  encode(text: string, pair: string | undefined, addSpecialTokens: boolean): BackendEncoding
  /** The text of tokens as the vocabulary spells them. */
  decode(tokens: string[]): string
  idOf(token: string): number | undefined
  tokenOf(id: number): string | undefined
  /** Number of tokens, with or without the added ones. */
  size(withAdded: boolean): number
  /** Adds tokens that are matched as a whole, or changes known ones; returns how many were new or changed. */
  addTokens(tokens: readonly AddedToken[]): number
  /** The tokens that are matched as a whole, by id. */
  addedTokens(): [id: number, token: Required<AddedToken>][]
}

/**
 * A text, or a text and its pair, as tokens. All offsets are UTF-16. Each list is made when it is asked for, because finding
 * it may cost more than tokenising.
 */
export interface BackendEncoding {
  /** Not to be changed: other texts' may stand beside them. */
  ids(): Uint32Array
  /** 1 for tokens of the pair, where the tokenizer tells them apart. */
  typeIds(): number[]
  /** 0 for tokens of the text, 1 for those of its pair; null for those around them. */
  sequences(): (number | null)[]
  /** [start, end) in the text or its pair; [0, 0] for tokens around them. */
  offsets(): [number, number][]
  /** The first token of the text that has the character at this offset. */
  tokenAt(offset: number): number | undefined
  /** Where the characters of a token begin. */
  startOf(token: number): number | undefined
}
