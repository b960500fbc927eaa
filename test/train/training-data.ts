import type { Document, TrainingBatch } from '../../src/batch/index.ts'
import type { TrainingData } from '../../src/train/index.ts'

/** A run of one epoch that makes a step of each batch. */
export function dataOf<D extends Document>(batches: readonly TrainingBatch<D>[]): TrainingData<D> {
  return {
    steps: batches.length,
    stepsPerEpoch: batches.length,
    summary: {
      examples: batches.reduce((sum, { documents }) => sum + documents.length, 0),
      tokens: batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0),
      learned_tokens: batches.reduce((sum, { learnedTokens }) => sum + learnedTokens, 0),
      spans: {},
      truncated_tokens: 0,
      truncated_stops: 0,
      truncated_answers: 0,
      truncated_examples: 0,
      rows: 0,
      invalid_rows: 0,
      mapped_away: 0,
      duplicates: 0,
      held_out: 0,
      repeated: 0,
      sources: [],
      invalid: [],
      data_notes: [],
      examples_without_learned_tokens: 0,
    },
    stepAt: (step) => ({ epoch: 0, batches: [batches[step]] }),
  }
}
