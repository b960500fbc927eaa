import {
  AddedToken as RustAddedToken,
  Tokenizer as RustTokenizer,
  type AddedTokenOptions,
  type JsEncoding,
} from 'tokenizers'
import type { AddedToken } from '../../../src/tokenizer/index.ts'
import { codePointsOf } from './code-points.ts'

/** Everything that is said of a text's tokens. */
export interface Lists {
  text: string
  ids: number[]
  typeIds: number[]
  offsets: [number, number][]
  sequences: (number | null)[]
}

/** Hugging Face's Rust library, which says what is right. */
export interface Oracle {
  encode(
    texts: readonly string[],
    pairs: readonly string[] | undefined,
    addSpecialTokens: boolean,
  ): Promise<Lists[]>
  decode(tokens: string[]): string
  addTokens(tokens: readonly AddedToken[]): number
}

export function makeOracle(tokenizerJson: string): Oracle {
  const rust = RustTokenizer.fromString(tokenizerJson)
  rust.disableTruncation()
  rust.disablePadding()
  return {
    async encode(texts, pairs, addSpecialTokens) {
      const how = { addSpecialTokens }
      // The binding takes pairs one by one only.
      const encodings =
        pairs === undefined
          ? await rust.encodeBatch([...texts], how)
          : await Promise.all(texts.map((text, i) => rust.encode(text, pairs[i], how)))
      return encodings.map((encoding, i) => readEncoding(encoding, texts[i], pairs?.[i]))
    },
    decode: (tokens) => rust.getDecoder()?.decode(tokens) ?? tokens.join(' '),
    addTokens: (tokens) =>
      rust.addAddedTokens(
        tokens.map(({ content, special = false, ...options }) => {
          const set: AddedTokenOptions = { normalized: !special, ...options }
          return new RustAddedToken(content, special, set)
        }),
      ),
  }
}

/** The library counts code points. */
function readEncoding(encoding: JsEncoding, text: string, pair: string | undefined): Lists {
  const points = codePointsOf(text)
  const pairPoints = pair === undefined ? points : codePointsOf(pair)
  const sequences = encoding.getSequenceIds().map((sequence) => sequence ?? null)
  return {
    text,
    ids: encoding.getIds(),
    typeIds: encoding.getTypeIds(),
    sequences,
    offsets: encoding.getOffsets().map(([start, end], i): [number, number] => {
      const { toUtf16 } = sequences[i] === 1 ? pairPoints : points
      return [toUtf16(start), toUtf16(end)]
    }),
  }
}
