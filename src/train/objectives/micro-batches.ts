import { learnedRanges, type Document, type TrainingBatch } from '../../batch/index.ts'
import type { TokenDescription } from '../../model/index.ts'

/** Tokens [start, end) among the learned ones of a batch or pass. */
export interface TokenRange {
  start: number
  end: number
}

/** A pass as a part of its micro-batch. */
export interface BatchPart {
  /** Number of the micro-batch. */
  batch: number
  /** The first document of the pass in it. */
  first: number
  /** Its last pass. */
  isLast: boolean
  /** Learned tokens of each document, in the pass and in the micro-batch. */
  ranges: readonly TokenRange[]
  inBatch: readonly TokenRange[]
}

/**
 * Tells of each pass to which micro-batch it belongs: passes come in the order of the documents, each once.
 *
 * @param documents  how many each micro-batch has
 */
export function passPlaces<D extends Document>(
  batches: readonly TrainingBatch<D>[],
): (pass: TrainingBatch<D>) => BatchPart {
  let batch = 0
  let next = 0
  let ranges = batches.length > 0 ? learnedRanges(batches[0]) : []
  return (pass) => {
    if (next === batches[batch].documents.length) {
      batch += 1
      next = 0
      ranges = learnedRanges(batches[batch])
    }
    const first = next
    next += pass.documents.length
    return {
      batch,
      first,
      isLast: next === batches[batch].documents.length,
      ranges: learnedRanges(pass),
      inBatch: ranges.slice(first, next),
    }
  }
}

/** Sum over a range. */
export function sumOf(values: ArrayLike<number>, { start, end }: TokenRange): number {
  let sum = 0
  for (let i = start; i < end; i += 1) sum += values[i]
  return sum
}

/** Tokens of a document's answer; the first token of a document counts, though nothing predicts it. */
export function answerLength({ mask }: Document): number {
  return Math.max(
    1,
    mask.reduce((sum, bit) => sum + bit, 0),
  )
}

/** Sums over the answers of one kind of a micro-batch, for means that weigh every token alike. */
export interface AnswerSums {
  tokens: number
  entropy: number
  meanLogit: number
  likeliest: number
}

/** Adds what is told of a document's learned tokens. */
export function addAnswer(sums: AnswerSums, description: TokenDescription, range: TokenRange): void {
  sums.tokens += range.end - range.start
  sums.entropy += sumOf(description.entropy, range)
  sums.meanLogit += sumOf(description.meanLogit, range)
  for (let i = range.start; i < range.end; i += 1) sums.likeliest += description.margin[i] >= 0 ? 1 : 0
}

/** Sums of nothing. */
export function noAnswers(): AnswerSums {
  return { tokens: 0, entropy: 0, meanLogit: 0, likeliest: 0 }
}
