import type { Conversation } from '../conversation.ts'
import { answerRows, type PreferenceKind } from '../preferences/answer-rows.ts'
import { createDataReport } from '../report.ts'
import type { DataSource } from '../row-options.ts'
import { createRowReader, type ConversationOptions } from '../to-conversations.ts'
import { readMixedRows, sourceReports, type MixOptions } from './read-mixed-rows.ts'

/** How the conversations of several sources are read; each source says its own format, columns, roles and keys. */
export type ReadOptions = MixOptions &
  Pick<ConversationOptions, 'trainOnInput'> & {
    /** Rows of preferences give a conversation for each of their answers. */
    preferences?: PreferenceKind | undefined
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
  const mixed = readMixedRows(sources, { ...options, report, found })
  const rows =
    preferences === undefined ? mixed : answerRows(mixed, preferences, sources, { skipInvalid, report })
  for await (const { row, source } of rows) {
    const conversation = readers[source](row)
    if (conversation !== undefined) yield conversation
  }
}
