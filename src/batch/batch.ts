import type { Origin } from '../data/row.ts'

/**
 * What one forward pass reads: real tokens only, all rows laid end to end, so that no arithmetic is spent
 * on padding. `n` tokens in all.
 */
export interface Batch {
  /** [n] */
  inputIds: Int32Array
  /** [n] next token to predict, or -100: the label shift happened here, once. */
  targets: Int32Array
  /** [n] restarts at 0 with each document */
  positionIds: Int32Array
  /** [n] 0, 1, 2 … in order; attention stays inside a document */
  documentIds: Int32Array
  /** How many targets are not -100. */
  learnedTokens: number
  /** The rows that the documents came from, by document id. */
  origins: Origin[]
}
