import { reasoningFields, type ContentPart, type Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { parseJson } from '../../formats/index.ts'
import { describeValue, isJsonObject, keyOrder, keysOf } from '../../formats/json/index.ts'
import { isMark, markOfPart, readMark } from './message-marks.ts'
import { isCallRole, isTemplateRole, readRole } from './message-roles.ts'
import { guessedKeys, shapeOf } from './message-shape.ts'
import type { RowOptions } from '../row-options.ts'
import { formatOrigin, type Row } from '../row.ts'
import { readCalls } from './tool-calls.ts'
import { isNothing, listMany } from '../values.ts'

/**
 * Reads a column of messages: OpenAI's `{ role, content, tool_calls?, … }`, ShareGPT's `{ from, value }`, or what
 * `message_keys` names. Other fields go to the template as they are, in their order.
 *
 * @throws FettleError that names the message
 */
export function readMessages(row: Row, column: string, options: RowOptions): Message[] {
  const items = messageList(row, column)
  const keys = options.messageKeys
  const messages: Message[] = []
  for (const [index, item] of items.entries()) {
    if (isPlain(item, options)) {
      messages.push(item)
      continue
    }
    const place = messagePlace(row, column, index)
    const shape = shapeOf(item, keys)
    const given = item[shape.role]
    const train = readMark(place, item, keys?.train)
    if (isCallRole(given, options)) {
      const calls = readCalls(place, String(given), item[shape.content])
      addCalls(messages, calls, train)
      continue
    }
    if (given === undefined && item[shape.content] === undefined) throw noShape(place, item)
    const others = () => items.map((other) => other[shapeOf(other, keys).role])
    const role = readRole(row, place, given, { key: shape.role, others, options })
    messages.push(readMessage(place, item, { ...shape, given: role, train, options }))
  }
  return messages
}

/** Whether a message is in its final form already, as most are: a known role, a text and nothing else. */
function isPlain(item: Record<string, unknown>, { roles, messageKeys }: RowOptions): item is Message {
  if (roles !== undefined || messageKeys !== undefined) return false
  if (!isTemplateRole(item['role']) || typeof item['content'] !== 'string') return false
  for (const key in item) if (key !== 'role' && key !== 'content') return false
  return true
}

function messageList(row: Row, column: string): Record<string, unknown>[] {
  const place = formatOrigin(row.origin)
  // Files whose columns need one type have lists and objects as JSON text.
  const value = readIfJson(`${place}: ${column}`, row.value[column], '[')
  if (!Array.isArray(value) || value.length === 0)
    throw new FettleError({
      place,
      found: `${column} is ${describeValue(value)}`,
      expected: 'a list of messages',
    })
  return value.map((given: unknown, index) => {
    const item = readIfJson(`${place}: ${column}[${index}]`, given, '{')
    if (isJsonObject(item)) return item
    throw new FettleError({
      place: messagePlace(row, column, index),
      found: describeValue(item),
      expected: 'an object with role and content',
    })
  })
}

/** The value of a text that begins as JSON of a kind does; any other value as it is. */
function readIfJson(place: string, value: unknown, opening: '[' | '{'): unknown {
  return typeof value === 'string' && value.trimStart().startsWith(opening) ? parseJson(value, place) : value
}

function messagePlace({ origin }: Row, column: string, index: number): string {
  return `${formatOrigin(origin)}: ${column}[${index}]`
}

function noShape(place: string, item: Readonly<Record<string, unknown>>): FettleError {
  const guess = guessedKeys(item)
  return new FettleError({
    place,
    found: `a message with ${listMany(Object.keys(item)) || 'no keys'}`,
    expected: 'role and content, or from and value',
    cure:
      guess === undefined
        ? 'Say what they are with message_keys (docs/data.md).'
        : `Say what they are with ${guess}.`,
  })
}

/** Calls belong to the answer that they follow, where both are learned alike: several in a row are parallel ones. */
function addCalls(messages: Message[], calls: readonly unknown[], train: boolean | undefined): void {
  const last = messages.at(-1)
  const joins = last?.role === 'assistant' && last.train === train
  const answer: Message = joins
    ? { ...last }
    : { role: 'assistant', content: '', ...(train !== undefined && { train }) }
  if (joins) messages.pop()
  messages.push({ ...answer, tool_calls: [...(answer.tool_calls ?? []), ...calls] })
}

interface Reading {
  /** The file's keys. */
  role: string
  content: string
  /** The role as the template knows it. */
  given: string
  train: boolean | undefined
  options: RowOptions
}

/** A message under OpenAI's keys, in the order of the file's: templates that print a message show it. */
function readMessage(
  place: string,
  item: Readonly<Record<string, unknown>>,
  { role, content, given, train, options }: Reading,
): Message {
  const keys = options.messageKeys ?? {}
  const { tool_calls: callKey = 'tool_calls', reasoning_content: thinkingKey = 'reasoning_content' } = keys
  const calls = readCallFields(place, item, callKey)
  const thinks = [thinkingKey, ...reasoningFields].some((field) => typeof item[field] === 'string')
  const says = readContent(place, item[content], given, calls !== undefined || thinks)
  const fields: Record<string, unknown> = {}
  for (const key of keysOf(item)) {
    if (key === role) fields['role'] = given
    else if (key === content) fields['content'] = says
    else if (key === callKey || key === 'function_call') {
      if (calls !== undefined) fields['tool_calls'] = calls
    } else if (key === thinkingKey) fields['reasoning_content'] = item[key]
    else if (key !== '__proto__' && !isMark(key, keys.train)) fields[key] = item[key]
  }
  if (train !== undefined) fields['train'] = train
  if (keyOrder in item) Object.assign(fields, { [keyOrder]: keysOf(item) })
  return fields as Message
}

/** The calls of a message, as a list; undefined where it has none. */
function readCallFields(
  place: string,
  item: Readonly<Record<string, unknown>>,
  key: string,
): unknown[] | undefined {
  const { [key]: given, function_call: only } = item
  const calls = typeof given === 'string' && given !== '' ? parseJson(given, `${place}: ${key}`) : given
  if (!isNothing(calls) && !Array.isArray(calls))
    throw new FettleError({ place, found: `${key} is ${describeValue(calls)}`, expected: 'a list' })
  const hasCalls = Array.isArray(calls) && calls.length > 0
  if (isNothing(only)) return hasCalls ? calls : undefined
  if (hasCalls)
    throw new FettleError({ place, found: `both ${key} and function_call`, expected: 'one of them' })
  return readCalls(place, 'function_call', only)
}

/** Texts stay texts and lists of text parts stay lists: the template says later which of them it takes. */
function readContent(
  place: string,
  content: unknown,
  role: string,
  saysElse: boolean,
): ContentPart[] | string | null | undefined {
  if (typeof content === 'string') return content
  if (Array.isArray(content) && content.length > 0) return content.map((part) => readPart(place, part))
  const isAbsent = content === undefined || content === null
  if (isAbsent && role === 'assistant' && saysElse) return content
  const cure =
    isAbsent && role === 'assistant'
      ? 'Only an assistant message with tool_calls may go without content.'
      : isJsonObject(content)
        ? 'Write it as a text; that of a tool may be JSON.'
        : undefined
  throw new FettleError({
    place,
    found: `content is ${describeValue(content)}`,
    expected: 'a text',
    ...(cure !== undefined && { cure }),
  })
}

function readPart(place: string, part: unknown): ContentPart {
  if (!isJsonObject(part) || part['type'] !== 'text' || typeof part['text'] !== 'string') {
    const type = !isJsonObject(part)
      ? describeValue(part)
      : part['type'] === 'text'
        ? `a part whose text is ${describeValue(part['text'])}`
        : `a part of type ${describeValue(part['type'])}`
    throw new FettleError({ place, found: `content with ${type}`, expected: 'parts of type text' })
  }
  const mark = markOfPart(part)
  if (mark !== undefined)
    throw new FettleError({
      place,
      found: `a part of the content with ${mark}`,
      expected: 'marks on whole messages',
      cure: 'Take it out, or make a message of each part.',
    })
  return { ...part, type: part['type'], text: part['text'] }
}
