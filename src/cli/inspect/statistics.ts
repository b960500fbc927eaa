import { createTokenLedger, type LedgerReport } from '../../batch/index.ts'
import {
  createColumnStatistics,
  createLengthCounts,
  type ColumnStatistics,
  type DataReport,
  type Example,
  type LengthCounts,
  type Row,
  type SourceReport,
  type StatisticsOfColumns,
} from '../../data/index.ts'
import type { TrainOptions } from '../../train/index.ts'
import { binsOf } from './histogram.ts'

/** What data are and what is learned of them. */
export interface DataStatistics {
  examples: number
  tokens: number
  learnedTokens: number
  /** Tokens of the examples, before truncation. */
  lengths: LengthCounts
  maxLength: number
  /** What truncation takes. */
  lost: LedgerReport
  /** Of prompts that are completed: how many are longer than max_length, and left out. */
  longPrompts?: number
  sources: { found: SourceReport; columns: ColumnStatistics[]; leftOut: number }[]
  report: DataReport
  /** Reading ended before the data did. */
  isPartial: boolean
}

/** Looks at rows and examples as they pass, in memory that does not grow with their number. */
export interface StatisticsCollector {
  seeRow(row: Row, source: number): void
  seeExample(example: Example): void
  finish(isPartial: boolean): DataStatistics
}

/** @param report  of the same reading */
export function createStatistics(
  {
    method,
    packing,
    packingStrategy,
    maxLength,
    truncationMode,
  }: Pick<TrainOptions, 'packing' | 'packingStrategy' | 'maxLength' | 'truncationMode'> &
    Partial<Pick<TrainOptions, 'method'>>,
  report: DataReport,
): StatisticsCollector {
  // The strategies that split long examples lose nothing.
  const cuts = !packing || packingStrategy === 'bfd'
  const ledger = createTokenLedger({
    maxLength: cuts ? maxLength : Number.POSITIVE_INFINITY,
    mode: truncationMode,
  })
  const lengths = createLengthCounts()
  const columns: StatisticsOfColumns[] = []
  const totals = { tokens: 0, learned: 0, long: 0 }
  return {
    seeRow({ value }, source) {
      columns[source] ??= createColumnStatistics()
      columns[source].add(value)
    },
    seeExample(example) {
      lengths.add(example.inputIds.length)
      totals.tokens += example.inputIds.length
      totals.long += example.inputIds.length > maxLength ? 1 : 0
      // The first token of an example has nothing before it that could predict it.
      for (let i = 1; i < example.mask.length; i += 1) totals.learned += example.mask[i]
      ledger.admit(example)
    },
    finish: (isPartial) => ({
      examples: lengths.count,
      tokens: totals.tokens,
      learnedTokens: totals.learned,
      lengths,
      maxLength,
      lost: ledger.report(),
      ...(method === 'grpo' && { longPrompts: totals.long }),
      sources: report.sources.map((found, source) => ({
        found,
        columns: columns[source]?.columns() ?? [],
        leftOut: columns[source]?.leftOut ?? 0,
      })),
      report,
      isPartial,
    }),
  }
}

/** The same for machines: the last line of `inspect --json --stats`. */
export function statisticsJson(statistics: DataStatistics): Record<string, unknown> {
  const {
    examples,
    tokens,
    learnedTokens,
    lengths,
    lost,
    longPrompts,
    sources,
    report,
    maxLength,
    isPartial,
  } = statistics
  return {
    type: 'stats',
    partial: isPartial,
    rows: report.rows,
    invalid_rows: report.invalidRows,
    mapped_away: report.mappedAway,
    duplicates: report.duplicates,
    held_out: report.heldOut,
    repeated: report.repeated,
    examples,
    tokens,
    learned_tokens: learnedTokens,
    max_length: maxLength,
    truncated_examples: lost.truncatedExamples,
    truncated_tokens: lost.droppedTokens,
    truncated_learned_tokens: lost.droppedLearned,
    truncated_stops: lost.cutStops,
    lost_answers: lost.lostAnswers,
    lost_examples: longPrompts ?? lost.lostExamples,
    examples_without_learned_tokens: lost.unlearnedExamples,
    lengths: {
      min: lengths.min,
      median: lengths.quantile(0.5),
      max: lengths.max,
      histogram: binsOf(lengths).map(({ from, to, count }) => ({ from, to: to ?? null, count })),
    },
    sources: sources.map(({ found, columns, leftOut }) => ({
      name: found.name,
      format: found.format ?? null,
      rows: found.rows,
      conversations: found.conversations,
      columns: columns.map(({ isMore, ...column }) => ({
        ...column,
        distinct_more: isMore,
        read_as: found.columns.read[column.name] ?? null,
      })),
      columns_left_out: leftOut,
    })),
  }
}
