/** Guesses what comes next, for the decoder to check many tokens in one pass. */
export interface Drafter {
  /** Whether there is a guess at all; asked after each token, so it must be quick. */
  canDraft(sequence: readonly number[]): boolean
  /** At most `limit` tokens that may follow a sequence; none where there is no guess. */
  draft(sequence: readonly number[], limit: number): Promise<number[]>
}
