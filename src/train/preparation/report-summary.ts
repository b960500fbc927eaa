import type { DataReport, SourceReport } from '../../data/index.ts'
import type { SourceFound, StartEvent } from '../events.ts'

/** What the start event tells of how rows were read. */
export function reportSummary(
  report: DataReport,
): Pick<
  StartEvent,
  'rows' | 'invalid_rows' | 'invalid' | 'mapped_away' | 'duplicates' | 'held_out' | 'repeated' | 'sources'
> {
  return {
    rows: report.rows,
    invalid_rows: report.invalidRows,
    invalid: report.invalid,
    mapped_away: report.mappedAway,
    duplicates: report.duplicates,
    held_out: report.heldOut,
    repeated: report.repeated,
    sources: report.sources.map(foundIn),
  }
}

function foundIn({ name, format, weight, rows, conversations, columns }: SourceReport): SourceFound {
  return {
    name,
    format: format ?? null,
    ...(weight !== undefined && { weight }),
    rows,
    conversations,
    columns_read: columns.read,
    columns_unread: columns.unread,
  }
}
