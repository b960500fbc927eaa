import type { Example, Origin } from '../data/index.ts'
import type { TokenSpan } from '../tokenizer/index.ts'

/** Which end of a row that is too long is kept. */
type TruncationMode = 'keep_start' | 'keep_end'

export interface TruncationOptions {
  maxLength: number
  mode?: TruncationMode | undefined
}

/** What truncation took from one example. */
export interface Cut {
  origin: Origin
  /** Tokens taken away, and how many of them were to be learned. */
  droppedTokens: number
  droppedLearned: number
  /** Messages whose turn lost its stop token: learned as they are, they teach never to stop. */
  cutStops: number[]
  /** Answers that lie beyond the cut as a whole. */
  lostAnswers: number
  /** Nothing is left to learn: the example is not trained on. */
  isLost: boolean
}

/** What truncation did to a data set. */
export interface LedgerReport {
  examples: number
  keptTokens: number
  keptLearned: number
  truncatedExamples: number
  droppedTokens: number
  droppedLearned: number
  /** Turns that lost their stop token. */
  cutStops: number
  /** Answers of which nothing is left, those of lost examples too. */
  lostAnswers: number
  /** Examples of which truncation left nothing to learn: not trained on, and all their tokens are dropped. */
  lostExamples: number
  /** Examples that had nothing to learn before either: not trained on. */
  unlearnedExamples: number
  unlearnedTokens: number
  /** The first cuts, for a message that names rows. */
  cuts: readonly Cut[]
}

/** Truncates examples and keeps the books: tokens in = kept + dropped + unlearned. */
export interface TokenLedger {
  /** The example as it is trained on; undefined when there is nothing of it to learn. */
  admit(example: Example): Example | undefined
  report(): LedgerReport
}

/** Cuts that a report lists; the counts are of all. */
const listedCuts = 100

/** A ledger for one data set; without `maxLength` limits (Infinity) it only counts. */
export function createTokenLedger({ maxLength, mode = 'keep_start' }: TruncationOptions): TokenLedger {
  const cuts: Cut[] = []
  const counts = {
    examples: 0,
    keptTokens: 0,
    keptLearned: 0,
    truncatedExamples: 0,
    droppedTokens: 0,
    droppedLearned: 0,
    cutStops: 0,
    lostAnswers: 0,
    lostExamples: 0,
    unlearnedExamples: 0,
    unlearnedTokens: 0,
  }
  const keep = ({ inputIds, mask }: Example) => {
    counts.keptTokens += inputIds.length
    counts.keptLearned += learnedCount(mask)
  }
  return {
    admit(example) {
      counts.examples++
      const learned = learnedCount(example.mask)
      if (learned === 0) {
        counts.unlearnedExamples++
        counts.unlearnedTokens += example.inputIds.length
        return undefined
      }
      const { example: kept, cut } = truncate(example, { maxLength, mode })
      if (cut === undefined) {
        keep(example)
        return example
      }
      // What an example loses altogether is dropped too.
      counts.truncatedExamples++
      counts.droppedTokens += cut.isLost ? example.inputIds.length : cut.droppedTokens
      counts.droppedLearned += cut.isLost ? learned : cut.droppedLearned
      counts.cutStops += cut.isLost ? 0 : cut.cutStops.length
      counts.lostAnswers += cut.isLost ? example.spans.length : cut.lostAnswers
      if (cuts.length < listedCuts) cuts.push(cut)
      if (cut.isLost) {
        counts.lostExamples++
        return undefined
      }
      keep(kept)
      return kept
    },
    report: () => ({ ...counts, cuts }),
  }
}

/**
 * Takes tokens beyond `maxLength` from the end, or with `keep_end` from the start, as TRL does.
 *
 * @returns  the example itself and no cut, where it is short enough
 */
export function truncate(
  example: Example,
  { maxLength, mode = 'keep_start' }: TruncationOptions,
): { example: Example; cut?: Cut } {
  const { inputIds, mask, spans, origin } = example
  const length = inputIds.length
  if (length <= maxLength) return { example }
  const from = mode === 'keep_start' ? 0 : length - maxLength
  const to = from + maxLength
  const kept = {
    inputIds: inputIds.slice(from, to),
    mask: mask.slice(from, to),
    spans: spans.flatMap((span) => clip(span, from, to)),
    origin,
  }
  const left = learnedCount(kept.mask)
  const cutStops = spans
    .filter(({ start, end, status }) => status !== 'no-stop' && end > to && start < to)
    .map(({ message }) => message)
  return {
    example: kept,
    cut: {
      origin,
      droppedTokens: length - maxLength,
      droppedLearned: learnedCount(mask) - left,
      cutStops,
      lostAnswers: spans.filter(({ start, end }) => start >= to || end <= from).length,
      isLost: left === 0,
    },
  }
}

/** What is left of a span, counted from the new first token; a span without its stop is `no-stop`. */
function clip(span: TokenSpan, from: number, to: number): TokenSpan[] {
  const start = Math.max(span.start, from) - from
  const end = Math.min(span.end, to) - from
  if (start >= end) return []
  return [{ ...span, start, end, status: span.end > to ? 'no-stop' : span.status }]
}

/** Learned tokens; the first one of an example is never a target. */
function learnedCount(mask: Uint8Array): number {
  let sum = 0
  for (let i = 1; i < mask.length; i++) sum += mask[i]
  return sum
}
