// From examples to batches: truncation with a ledger of what it took, packing, the order of an epoch, collation, division.
// The label shift happens here, in batchOf, and nowhere else.
// Everything is a pure function of lengths, options and seed, so that a run can be resumed at any step.
export { batchOf, documentStarts, learnedPlaces, learnedRanges } from './batch.ts'
export type { Batch, TrainingBatch } from './batch.ts'
export { collate, collatePieces, type Document } from './collate.ts'
export { collatePadded, labelsOf } from './collate-padded.ts'
export type { LabelledRow, PaddedBatch, PaddingOptions } from './collate-padded.ts'
export { pack, type PackingStrategy } from './packing.ts'
export { planEpoch, type EpochOptions, type EpochPlan } from './plan.ts'
export { shuffledOrder } from './shuffle.ts'
export { sharedRows, type SharedRows } from './shared-rows.ts'
export { lastTokens, scoredBatch } from './scored.ts'
export { splitBatch } from './split.ts'
export { createTokenLedger, truncate, type LedgerReport } from './truncation.ts'
