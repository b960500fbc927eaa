/**
 * What fettle uses of npm's `tokenizers`, Hugging Face's Rust library. Its own index.d.ts does not compile (names that it does
 * not declare, parameters with initialisers), so tsconfig.json reads this instead.
 */

export interface EncodeOptions {
  addSpecialTokens?: boolean
}

export interface AddedTokenOptions {
  singleWord?: boolean
  leftStrip?: boolean
  rightStrip?: boolean
  normalized?: boolean
}

export declare class AddedToken {
  constructor(token: string, isSpecial: boolean, options?: AddedTokenOptions)
}

/** A text as tokens; offsets count code points. */
export interface JsEncoding {
  getIds(): number[]
  getTypeIds(): number[]
  getSequenceIds(): (number | undefined | null)[]
  getOffsets(): number[][]
  charToToken(position: number, sequence?: number): number | null
  tokenToChars(token: number): [number, number] | null | undefined
}

/** What puts tokens around a text. */
export type Processor = unknown

export declare function templateProcessing(
  single: string,
  pair?: string | null,
  specialTokens?: [string, number][] | null,
): Processor

export declare class Tokenizer {
  static fromString(json: string): Tokenizer
  encode(text: string, pair?: string | null, options?: EncodeOptions): Promise<JsEncoding>
  encodeBatch(texts: string[], options?: EncodeOptions): Promise<JsEncoding[]>
  getDecoder(): { decode(tokens: string[]): string } | null
  getPreTokenizer(): { preTokenizeString(text: string): [string, [number, number]][] } | null
  getVocabSize(withAddedTokens?: boolean): number
  idToToken(id: number): string | null
  tokenToId(token: string): number | null
  addAddedTokens(tokens: AddedToken[]): number
  setPostProcessor(processor: Processor): void
  disableTruncation(): void
  disablePadding(): void
  save(path: string, pretty?: boolean): void
}
