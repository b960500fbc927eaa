import type { AddedToken } from './named-tokens.ts'

/**
 * The steps between text and tokens that a tokenizer.json describes. Two libraries take them: `node/rust-backend.ts` calls the
 * Rust one of Hugging Face, `javascript/` is written in JavaScript and runs in browsers too. Both give the same tokens.
 */
export interface Backend {
  /**
   * Tokenises texts, each with its pair where there are pairs.
   *
   * @param addSpecialTokens  whether to add what the tokenizer puts around every text
   */
  encode(
    texts: readonly string[],
    pairs: readonly string[] | undefined,
    addSpecialTokens: boolean,
  ): Promise<BackendEncoding[]>
  /** The text of tokens as the vocabulary spells them. */
  decode(tokens: string[]): string
  idOf(token: string): number | undefined
  tokenOf(id: number): string | undefined
  /** Number of tokens, with or without the added ones. */
  size(withAdded: boolean): number
  /** Adds tokens that are matched as a whole, or changes known ones; returns how many were new or changed. */
  addTokens(tokens: readonly AddedToken[]): number
  /** Decides which tokens stand around every text from now on. */
  surround(before: string | undefined, after: string | undefined): void
  /** The text of tokenizer.json for what the tokenizer is now. */
  serialize(): string
}

/** Makes a backend from the text of a tokenizer.json; throws where it cannot. */
export type MakeBackend = (tokenizerJson: string) => Backend

/**
 * A text, or a text and its pair, as tokens. All offsets are UTF-16. Each list is made when it is asked for, because fetching
 * it may cost more than tokenising.
 */
export interface BackendEncoding {
  ids(): number[]
  /** 1 for tokens of the pair, where the tokenizer tells them apart. */
  typeIds(): number[]
  /** 0 for tokens of the text, 1 for those of its pair; null or undefined for those around them. */
  sequences(): (number | null | undefined)[]
  /** [start, end) in the text or its pair; [0, 0] for tokens around them. */
  offsets(): [number, number][]
  /** The first token of the text that has the character at this offset. */
  tokenAt(offset: number): number | undefined
  /** Where the characters of a token begin. */
  startOf(token: number): number | undefined
}
