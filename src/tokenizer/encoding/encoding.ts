/** One tokenised text; the four lists are of one length. */
export interface Encoding {
  inputIds: number[]
  /** 0 where there is padding. */
  attentionMask: number[]
  /** 1 for tokens of the pair, where the tokenizer tells them apart. */
  tokenTypeIds: number[]
  /** UTF-16 [start, end) in the text or its pair; [0, 0] for added and padding tokens. */
  offsets: [number, number][]
}

/** Several tokenised texts: the lists of `Encoding`, one for each text. */
export interface BatchEncoding {
  inputIds: number[][]
  attentionMask: number[][]
  tokenTypeIds: number[][]
  offsets: [number, number][][]
}
