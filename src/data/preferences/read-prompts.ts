import type { Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { describeValue, isJsonObject, JsonFloat } from '../../formats/json/index.ts'
import { withColumns } from '../conversations/chat-columns.ts'
import { columnRenamer } from '../columns.ts'
import { readMessages } from '../conversations/message-rows.ts'
import type { ReadOptions } from '../mix/read-conversations.ts'
import { readMixedRows, sourceReports, type MixOptions } from '../mix/read-mixed-rows.ts'
import { refuseUseless } from '../nothing-in.ts'
import { createDataReport, skipOrThrow } from '../report.ts'
import type { DataSource, RowOptions } from '../row-options.ts'
import { formatOrigin, readText, type Origin, type Row } from '../row.ts'
import { isNothing, listMany } from '../values.ts'

/** A prompt that is to be answered, and its row with all columns. */
export interface Prompt {
  origin: Origin
  row: Record<string, unknown>
  content:
    | { kind: 'text'; text: string }
    | { kind: 'messages'; messages: Message[]; tools?: unknown[]; variables?: Record<string, unknown> }
    | { kind: 'tokens'; ids: number[] }
}

/** How prompts are read. */
export type PromptOptions = MixOptions & Pick<ReadOptions, 'onRow'>

/**
 * The prompts of rows: `prompt`, a text or messages; `messages`, without the answer that they may end in; or `prompt_ids`.
 *
 * @throws FettleError that names the row, at the first one that has none of them (`skipInvalid` leaves it out), or says that none is left
 */
export async function* readPrompts(
  sources: readonly DataSource[],
  options: PromptOptions = {},
): AsyncGenerator<Prompt> {
  const { report = createDataReport(), found = sourceReports(sources) } = options
  const renamers = sources.map(({ columns }) => columnRenamer(columns))
  let prompts = 0
  for await (const { row, source } of readMixedRows(sources, { ...options, report, found })) {
    options.onRow?.(row, source)
    let prompt: Prompt
    try {
      prompt = {
        origin: row.origin,
        row: plain(row.value),
        content: contentOf(renamers[source](row), sources[source]),
      }
    } catch (error) {
      skipOrThrow(error, { ...options, report }, row.origin)
      found[source].invalidRows += 1
      continue
    }
    found[source].conversations += 1
    prompts += 1
    yield prompt
  }
  refuseUseless(found, report, prompts)
}

function contentOf(row: Row, options: RowOptions): Prompt['content'] {
  const { value } = row
  if (!isNothing(value['prompt_ids'])) return { kind: 'tokens', ids: tokensOf(row) }
  if (typeof value['prompt'] === 'string' && !value['prompt'].startsWith('[{'))
    return { kind: 'text', text: nonEmpty(row) }
  const column = ['prompt', 'messages', 'conversations'].find((name) => !isNothing(value[name]))
  if (column === undefined)
    throw new FettleError({
      place: formatOrigin(row.origin),
      found: `columns ${listMany(Object.keys(value)) || '(none)'}`,
      expected: 'prompt: a text or messages',
      cure: 'Say what it is with columns: { prompt: question }.',
    })
  const given = readMessages(row, column, options)
  const isAnswered = column !== 'prompt' && given.at(-1)?.role === 'assistant'
  const conversation = withColumns(row, isAnswered ? given.slice(0, -1) : given)
  if (conversation.kind === 'messages' && conversation.messages.length > 0) return conversation
  throw new FettleError({
    place: formatOrigin(row.origin),
    found: `${column} with nothing before the answer`,
    expected: 'a message that asks for one',
  })
}

function nonEmpty(row: Row): string {
  const text = readText(row, 'prompt')
  if (text !== '') return text
  throw new FettleError({ place: formatOrigin(row.origin), found: 'prompt is empty', expected: 'a text' })
}

function tokensOf({ value, origin }: Row): number[] {
  const ids = value['prompt_ids']
  if (Array.isArray(ids) && ids.every((id): id is number => Number.isInteger(id) && Number(id) >= 0))
    return ids
  throw new FettleError({
    place: formatOrigin(origin),
    found: `prompt_ids is ${describeValue(ids)}`,
    expected: 'a list of token ids',
  })
}

/** A row as JavaScript has it: numbers of files are plain ones. */
function plain(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plainValue(item)]))
}

function plainValue(value: unknown): unknown {
  if (value instanceof JsonFloat) return value.value
  if (Array.isArray(value)) return value.map(plainValue)
  const isPlain = isJsonObject(value) && Object.getPrototypeOf(value) === Object.prototype
  return isPlain ? plain(value) : value
}
