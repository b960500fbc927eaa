import type { Message } from '../chat/index.ts'
import { FettleError } from '../error.ts'
import { closestName } from '../closest-name.ts'
import type { Conversation } from './conversation.ts'
import { isMessageList, readMessages, readShareGptMessages } from './message-rows.ts'
import { formatOrigin, type Row } from './row.ts'
import { columnNames, describeValue, isRecord, type DataFormat, type RowOptions } from './source.ts'
import { readTokenRow } from './pretokenised-rows.ts'

/** What decides how rows become conversations. */
export interface ConversationOptions extends RowOptions {
  /** Learn prompts too. */
  trainOnInput?: boolean | undefined
}

type Reader = (row: Row, options: ConversationOptions) => Conversation

const readers: { [Format in DataFormat]: Reader } = {
  messages: (row, options) => {
    const column = !('messages' in row.value) && 'conversations' in row.value ? 'conversations' : 'messages'
    return conversation(row, readMessages(row, column, options))
  },
  sharegpt: (row, options) => {
    const column = !('conversations' in row.value) && 'messages' in row.value ? 'messages' : 'conversations'
    return conversation(row, readShareGptMessages(row, column, options))
  },
  prompt_completion: readPromptCompletion,
  instruct: readInstruct,
  text: (row) => ({ kind: 'text', text: readText(row, 'text'), origin: row.origin }),
  tokens: (row, { trainOnInput = false }) => readTokenRow(row, trainOnInput),
}

/** The names of the data formats. */
export const dataFormats = Object.keys(readers) as DataFormat[]

/**
 * Turns the rows of one source into conversations. With format `auto` the first row decides for all.
 *
 * @throws FettleError that names the row, at the first one that is not in the format
 */
export async function* toConversations(
  rows: Iterable<Row> | AsyncIterable<Row>,
  options: ConversationOptions = {},
): AsyncGenerator<Conversation> {
  const rename = columnRenamer(options.columns)
  let format = options.format === 'auto' ? undefined : options.format
  for await (const row of rows) {
    const renamed = rename(row)
    format ??= detectFormat(renamed, missingColumns(row, options.columns))
    yield readers[format](renamed, options)
  }
}

/**
 * The format that a row's columns tell: tokens before messages before text, the most explicit one first.
 *
 * @param missing  columns that were to be renamed and are not in the row, as `[fettle's name, the file's]`
 * @throws FettleError that lists the columns, when they tell none
 */
export function detectFormat({ value, origin }: Row, missing: readonly [string, string][] = []): DataFormat {
  const has = (...names: string[]) => names.every((name) => value[name] !== undefined && value[name] !== null)
  if (has('input_ids')) return 'tokens'
  const turns = value['messages'] ?? value['conversations']
  if (isMessageList(turns, 'from')) return 'sharegpt'
  if (has('messages') || isMessageList(turns, 'role')) return 'messages'
  if (has('conversations')) return 'sharegpt'
  if (has('prompt', 'completion')) return 'prompt_completion'
  if (has('instruction', 'output') || has('input', 'output')) return 'instruct'
  if (has('text')) return 'text'
  const names = Object.keys(value)
  if (missing.length > 0) throw noColumn(origin, missing[0], names)
  throw new FettleError({
    place: formatOrigin(origin),
    found: names.length === 0 ? 'no columns' : `columns ${names.join(', ')}`,
    expected: 'messages, conversations, prompt and completion, instruction and output, text or input_ids',
    cure: columnCure(names, origin.file),
  })
}

const questionColumn = /^(question|query|user|human|problem|inputs?|q)$/i
const answerColumn = /^(answer|response|reply|assistant|solution|targets?|outputs?|a)$/i

/** What to write; two columns of other names are taken for question and answer in their order. */
function columnCure(names: readonly string[], file: string): string {
  const known = names.find((name) => questionColumn.test(name))
  const answer =
    names.find((name) => name !== known && answerColumn.test(name)) ??
    (names.length === 2 ? names.findLast((name) => name !== known) : undefined)
  const question = known ?? (names.length === 2 ? names.find((name) => name !== answer) : undefined)
  const columns = `columns: { input: ${question ?? 'question'}, output: ${answer ?? 'answer'} }`
  return `Say what they are with ${columns}. As a flag: --data '{ path: ${file}, ${columns} }'.`
}

/** Columns that `columns` names and the row lacks. */
function missingColumns({ value }: Row, columns: RowOptions['columns'] = {}): [string, string][] {
  return Object.entries(columns).filter(([, from]) => from !== undefined && !(from in value))
}

function noColumn(
  origin: Row['origin'],
  [name, from]: [string, string],
  names: readonly string[],
): FettleError {
  const meant = closestName(from, names)
  return new FettleError({
    place: formatOrigin(origin),
    found: `no column ${from}`,
    expected: names.join(', '),
    ...(meant === undefined ? {} : { cure: `Did you mean columns: { ${name}: ${meant} }?` }),
  })
}

function columnRenamer(columns: RowOptions['columns'] = {}): (row: Row) => Row {
  const pairs = Object.entries(columns).flatMap(([name, from]) => {
    if (from === undefined) return []
    if (columnNames.some((known) => known === name)) return [[name, from] as const]
    const meant = closestName(name, columnNames)
    throw new FettleError({
      place: `columns.${name}`,
      found: 'a column that fettle does not read',
      expected: columnNames.join(', '),
      ...(meant === undefined ? {} : { cure: `Did you mean ${meant}?` }),
    })
  })
  if (pairs.length === 0) return (row) => row
  const taken = new Set(pairs.map(([, from]) => from))
  return (row) => {
    const { value, origin } = row
    const missing = missingColumns(row, columns)
    // A column that only some rows have, such as Alpaca's input, is absent rather than wrong.
    if (missing.length === pairs.length) throw noColumn(origin, missing[0], Object.keys(value))
    const others = Object.entries(value).filter(([name]) => !taken.has(name))
    const renamed = pairs.flatMap(([name, from]) => (from in value ? [[name, value[from]] as const] : []))
    return { value: Object.fromEntries([...others, ...renamed]), origin }
  }
}

function readPromptCompletion(row: Row, options: ConversationOptions): Conversation {
  const { prompt, completion } = row.value
  const lists = [prompt, completion].filter((side) => Array.isArray(side)).length
  if (lists === 0) {
    return {
      kind: 'completion',
      prompt: readText(row, 'prompt'),
      completion: readText(row, 'completion'),
      origin: row.origin,
    }
  }
  const read = (column: string) =>
    isMessageList(row.value[column], 'from')
      ? readShareGptMessages(row, column, options)
      : readMessages(row, column, options)
  const given = read('prompt')
  // What is learned is the completion; the answers inside the prompt are not.
  const asked = options.trainOnInput ? given : given.map((message): Message => ({ ...message, train: false }))
  return conversation(row, [...asked, ...read('completion')])
}

/** Alpaca's columns: the instruction with its input below it, then the output. */
function readInstruct(row: Row): Conversation {
  const { value } = row
  const optional = (column: string) =>
    value[column] === undefined || value[column] === null || value[column] === ''
      ? []
      : [readText(row, column)]
  const question = [...optional('instruction'), ...optional('input')].join('\n\n')
  if (question === '')
    throw new FettleError({
      place: formatOrigin(row.origin),
      found: 'neither instruction nor input',
      expected: 'a text in one of them',
    })
  return conversation(row, [
    { role: 'user', content: question },
    { role: 'assistant', content: readText(row, 'output') },
  ])
}

function readText({ value, origin }: Row, column: string): string {
  const text = value[column]
  if (typeof text === 'string' && (text !== '' || column === 'prompt')) return text
  throw new FettleError({
    place: formatOrigin(origin),
    found: `${column} is ${text === '' ? 'empty' : describeValue(text)}`,
    expected: 'a text',
  })
}

/** Adds the columns `system` and `tools` that chat formats may have beside the messages. */
function conversation(row: Row, messages: Message[]): Conversation {
  const { value, origin } = row
  const hasSystem = value['system'] !== undefined && value['system'] !== null && value['system'] !== ''
  const withSystem =
    hasSystem && messages[0].role !== 'system'
      ? [{ role: 'system', content: readText(row, 'system') }, ...messages]
      : messages
  const tools = readTools(row)
  return { kind: 'messages', messages: withSystem, ...(tools === undefined ? {} : { tools }), origin }
}

/** A list of tools, or the JSON text of one, as datasets whose columns need one type have it. */
function readTools({ value, origin }: Row): unknown[] | undefined {
  const given = value['tools']
  if (given === undefined || given === null || given === '') return undefined
  let tools: unknown = given
  if (typeof given === 'string') {
    try {
      tools = JSON.parse(given)
    } catch {
      // Reported below, with the text that was found.
    }
  }
  if (Array.isArray(tools)) return tools.length === 0 ? undefined : tools.map((tool: unknown) => tool)
  throw new FettleError({
    place: formatOrigin(origin),
    found: `tools is ${describeValue(isRecord(tools) ? tools : given)}`,
    expected: 'a list of functions, or its JSON text',
  })
}
