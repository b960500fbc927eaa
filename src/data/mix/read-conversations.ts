import type { Conversation } from '../conversations/conversation.ts'
import type { PreferenceKind } from '../preferences/answer-rows.ts'
import { createDataReport } from '../report.ts'
import type { DataSource } from '../row-options.ts'
import type { Row } from '../row.ts'
import { createRowReader, type ConversationOptions } from '../conversations/to-conversations.ts'
import { readMixedRows, sourceReports, type MixedRow, type MixOptions } from './read-mixed-rows.ts'

/** How the conversations of several sources are read; each source says its own format, columns, roles and keys. */
export type ReadOptions = MixOptions &
  Pick<ConversationOptions, 'trainOnInput'> & {
    /** Rows of preferences give a conversation for each of their answers. */
    preferences?: PreferenceKind | undefined
    /** Sees each row before it becomes a conversation, and which source it is of. */
    onRow?: ((row: Row, source: number) => void) | undefined
  }

/**
 * The conversations of all sources, in the order of their rows (`readMixedRows`).
 *
 * @throws FettleError that names file and line of a row that is not in the format of its source; with `skipInvalid` it is left out
 */
export async function* readConversations(
  sources: readonly DataSource[],
  options: ReadOptions = {},
): AsyncGenerator<Conversation> {
  const { skipInvalid, trainOnInput, report = createDataReport(), found = sourceReports(sources) } = options
  const { preferences } = options
  const readers = sources.map((source, i) =>
    createRowReader(
      {
        ...source,
        // Rows of answers have fettle's columns.
        ...(preferences !== undefined && { columns: undefined, format: 'auto' as const }),
        skipInvalid,
        trainOnInput,
        report,
      },
      found[i],
    ),
  )
  const mixed = seen(readMixedRows(sources, { ...options, report, found }), options.onRow)
  const rows =
    preferences === undefined
      ? mixed
      : (await import('../preferences/answer-rows.ts')).answerRows(mixed, preferences, sources, {
          skipInvalid,
          report,
        })
  for await (const { row, source } of rows) {
    const conversation = readers[source](row)
    if (conversation !== undefined) yield conversation
  }
}

/** Rows, which somebody sees as they pass. */
async function* seen(rows: AsyncIterable<MixedRow>, onRow: ReadOptions['onRow']): AsyncGenerator<MixedRow> {
  for await (const mixed of rows) {
    onRow?.(mixed.row, mixed.source)
    yield mixed
  }
}
