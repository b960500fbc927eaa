// From examples to batches: truncation with a ledger of what it took, packing, the order of an epoch, collation.
// The label shift happens here, in collate, and nowhere else.
// Everything is a pure function of lengths, options and seed, so that a run can be resumed at any step.
export type { Batch } from './batch.ts'
export { collate, collatePieces, type Document } from './collate.ts'
export { collatePadded, labelsOf } from './collate-padded.ts'
export { pack, type PackingStrategy } from './packing.ts'
export { planEpoch, type EpochOptions, type EpochPlan } from './plan.ts'
export { shuffledOrder } from './shuffle.ts'
export { createTokenLedger, truncate, type LedgerReport } from './truncation.ts'
