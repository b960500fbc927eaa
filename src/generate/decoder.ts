import type { Candidates } from './candidates.ts'

/** Tokens on their way into a key-value cache, any number of any slots; positions ascend inside a slot. */
export interface FedTokens {
  /** [n] */
  ids: Int32Array
  /** [n] which sequence each belongs to */
  slots: Int32Array
  /** [n] 0 for the first token of a sequence */
  positions: Int32Array
  /** Of how many tokens the longest prompt is, where these are of prompts that several passes may read. */
  promptLength?: number
}

/** A slot that takes over the first `count` positions of another one. */
export interface SlotCopy {
  source: number
  slot: number
  count: number
}

/** A model with a key-value cache of several sequences (slots). */
export interface Decoder {
  readonly vocabSize: number
  /** Positions a slot has room for. */
  readonly capacity: number
  /**
   * How many of a slot's newest tokens may be fed again, differently: all where the cache remembers every position, which states
   * of convolutions and of linear attention do not.
   */
  readonly rewinds: number
  /** With how many first tokens, at most `count`, a slot can go on: with all of them, or from the beginning, 0. */
  resumable(slot: number, count: number): number
  /**
   * Feeds tokens and returns the logits [rows, vocabSize] after those of them that `rows` lists, in ascending order.
   * Feeding a position again replaces what was there. The array is the caller's.
   */
  feed(tokens: FedTokens, rows: Int32Array): Promise<Float32Array>
  /** The same, but of each row only the tokens among which the `count` most likely ones are; none where a logit is NaN. */
  feedLargest(tokens: FedTokens, rows: Int32Array, count: number): Promise<Candidates[]>
  /** The same, but only the most likely next token of each row; −1 where a logit is NaN or the largest is infinite. */
  feedGreedy(tokens: FedTokens, rows: Int32Array): Promise<Int32Array>
  /**
   * Feeds one token of each of some sequences, then again and again the most likely next tokens, `times` times in all.
   * `onTokens` gets the next tokens after each pass, while the next one is under way; when it returns false there is no further
   * one. Positions past the last tokens that it got may hold anything afterwards.
   */
  continueGreedily(tokens: FedTokens, times: number, onTokens: (best: Int32Array) => boolean): Promise<void>
  /** Copies beginnings from slot to slot; no slot is both a source and overwritten. */
  copySlots(copies: readonly SlotCopy[]): Promise<void>
  /** Gives the cache's memory back. */
  free(): void
}
