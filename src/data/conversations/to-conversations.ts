import type { Message } from '../../chat/index.ts'
import { columnRenamer, createColumnWatch, missingColumns } from '../columns.ts'
import type { Conversation } from './conversation.ts'
import { detectFormat, requireFormat } from './detect-format.ts'
import { readInstruct } from './instruct-rows.ts'
import { readMessages } from './message-rows.ts'
import { readTokenRow } from './pretokenised-rows.ts'
import { createSourceReport, skipOrThrow, type InvalidRowOptions, type SourceReport } from '../report.ts'
import type { DataFormat, RowOptions } from '../row-options.ts'
import { readText, type Row } from '../row.ts'
import { refuseHalfCharacters } from './half-characters.ts'
import { withColumns } from './chat-columns.ts'
import { isNothing } from '../values.ts'

/** What decides how rows become conversations. */
export interface ConversationOptions extends RowOptions, InvalidRowOptions {
  /** Learn prompts too. */
  trainOnInput?: boolean | undefined
}

type Reader = (row: Row, options: ConversationOptions) => Conversation

const readMessageRow: Reader = (row, options) => {
  const { messages, conversations } = row.value
  const column = isNothing(messages) && conversations !== undefined ? 'conversations' : 'messages'
  return withColumns(row, readMessages(row, column, options))
}

const readers: { [Format in DataFormat]: Reader } = {
  messages: readMessageRow,
  sharegpt: readMessageRow,
  prompt_completion: readPromptCompletion,
  instruct: (row) => withColumns(row, readInstruct(row)),
  text: (row) => ({ kind: 'text', text: readText(row, 'text'), origin: row.origin }),
  tokens: (row, { trainOnInput = false }) => readTokenRow(row, trainOnInput),
}

/** The names of the data formats. */
export const dataFormats = Object.keys(readers) as DataFormat[]

/**
 * Turns the rows of one source into conversations. With format `auto` the first row decides for all.
 *
 * @throws FettleError that names the row, at the first one that is not in the format; with `skipInvalid` it is left out
 */
export async function* toConversations(
  rows: Iterable<Row> | AsyncIterable<Row>,
  options: ConversationOptions = {},
): AsyncGenerator<Conversation> {
  const read = createRowReader(options)
  for await (const row of rows) {
    const conversation = read(row)
    if (conversation !== undefined) yield conversation
  }
}

/**
 * What turns the rows of one source into conversations, one by one. It keeps the format that the first row tells.
 *
 * @param found  is told format and columns, and counts
 * @returns      a function whose result is undefined for a row that cannot be used, where such rows are left out; else it throws
 */
export function createRowReader(
  options: ConversationOptions,
  found: SourceReport = createSourceReport(''),
): (row: Row) => Conversation | undefined {
  const { columns, messageKeys, report } = options
  const rename = columnRenamer(columns)
  let watch: ReturnType<typeof createColumnWatch> | undefined
  const given = options.format === 'auto' ? undefined : options.format
  if (given !== undefined) found.format = given
  return (row) => {
    try {
      const renamed = rename(row)
      found.format ??= detectFormat(renamed, missingColumns(row, columns), messageKeys)
      const { format } = found
      requireFormat(renamed, format, given === undefined)
      watch ??= createColumnWatch(row.origin.file, { columns, report, found })
      watch(renamed, format)
      const conversation = readers[format](renamed, options)
      refuseHalfCharacters(conversation)
      found.conversations += 1
      return conversation
    } catch (error) {
      skipOrThrow(error, options, row.origin)
      found.invalidRows += 1
      return undefined
    }
  }
}

function readPromptCompletion(row: Row, options: ConversationOptions): Conversation {
  const { prompt, completion } = row.value
  if (!Array.isArray(prompt) && !Array.isArray(completion))
    return {
      kind: 'completion',
      prompt: readText(row, 'prompt'),
      completion: readText(row, 'completion'),
      origin: row.origin,
    }
  const given = readMessages(row, 'prompt', options)
  // What is learned is the completion; the answers inside the prompt are not.
  const asked = options.trainOnInput ? given : given.map((message): Message => ({ ...message, train: false }))
  return withColumns(row, [...asked, ...readMessages(row, 'completion', options)])
}
