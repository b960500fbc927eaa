import { reasoningFields, type ContentPart, type Message } from '../chat/index.ts'
import { FettleError } from '../error.ts'
import { formatOrigin, type Row } from './row.ts'
import { describeValue, isRecord, type RowOptions } from './source.ts'

/** Roles that chat templates know. */
const knownRoles = new Set(['system', 'developer', 'user', 'assistant', 'tool'])

/** What ShareGPT and its relatives call them. */
const shareGptRoles: ReadonlyMap<string, string> = new Map([
  ['human', 'user'],
  ['gpt', 'assistant'],
  ['chatgpt', 'assistant'],
  ['bing', 'assistant'],
  ['bard', 'assistant'],
  ['observation', 'tool'],
  ['function_response', 'tool'],
])

/** Whether a value is a list of `{ role, content }` or `{ from, value }`. */
export function isMessageList(value: unknown, key: 'role' | 'from'): value is Record<string, unknown>[] {
  return Array.isArray(value) && isRecord(value[0]) && key in value[0]
}

/**
 * Reads a column of OpenAI messages: `{ role, content, tool_calls?, … }`. Other fields go to the template as
 * they are. `train: false` and OpenAI's `weight: 0` mark what is not learned.
 */
export function readMessages(row: Row, column: string, { roles }: RowOptions): Message[] {
  return messageList(row, column).map((item, index) => {
    const place = messagePlace(row, column, index)
    const { role: given, content, tool_calls, weight, ...rest } = item
    const role = readRole(place, given, roles, 'role')
    const texts = readContent(place, { ...rest, role, content, tool_calls })
    return { role, ...texts, ...rest, ...readTrain(place, rest, weight) }
  })
}

/** Reads a column of ShareGPT messages: `{ from, value }`, with from in human, gpt, system, tool. */
export function readShareGptMessages(row: Row, column: string, { roles }: RowOptions): Message[] {
  return messageList(row, column).map((item, index) => {
    const place = messagePlace(row, column, index)
    const { from, value, weight, content, ...rest } = item
    const call = from === 'function_call' && roles?.[from] === undefined ? readFunctionCall(value) : undefined
    if (call !== undefined) return { ...rest, role: 'assistant', content: '', tool_calls: [call] }
    const role = readRole(place, from, roles, 'from')
    const texts = readContent(place, { ...rest, role, content: value ?? content })
    return { ...rest, role, ...texts, ...readTrain(place, rest, weight) }
  })
}

function messageList(row: Row, column: string): Record<string, unknown>[] {
  const value = row.value[column]
  const place = formatOrigin(row.origin)
  const expected = 'a list of messages'
  if (value === undefined)
    throw new FettleError({
      place,
      found: `no ${column} among the columns ${Object.keys(row.value).join(', ')}`,
      expected: `${column}, as in the first row`,
      cure: 'Put rows of another format into a file of their own.',
    })
  if (!Array.isArray(value) || value.length === 0)
    throw new FettleError({ place, found: `${column} is ${describeValue(value)}`, expected })
  return value.map((item: unknown, index) => {
    if (isRecord(item)) return item
    throw new FettleError({
      place: messagePlace(row, column, index),
      found: describeValue(item),
      expected: 'an object with role and content',
    })
  })
}

function messagePlace({ origin }: Row, column: string, index: number): string {
  return `${formatOrigin(origin)}: ${column}[${index}]`
}

function readRole(place: string, value: unknown, roles: RowOptions['roles'], key: 'role' | 'from'): string {
  // The row is what a user looks for; the message is easily found by its role.
  const row = place.slice(0, place.lastIndexOf(': '))
  if (typeof value !== 'string')
    throw new FettleError({
      place,
      found: `${key} is ${describeValue(value)}`,
      expected: 'the name of a role',
    })
  const role = roles?.[value] ?? (key === 'from' ? shareGptRoles.get(value) : undefined) ?? value
  if (knownRoles.has(role) || roles?.[value] !== undefined) return role
  const likely =
    shareGptRoles.get(value.toLowerCase()) ??
    (knownRoles.has(value.toLowerCase()) ? value.toLowerCase() : 'assistant')
  throw new FettleError({
    place: row,
    found: `role '${value}'`,
    expected: 'system, user, assistant or tool',
    cure: `Map it with roles: { ${/^\w+$/.test(value) ? value : JSON.stringify(value)}: ${likely} }.`,
  })
}

/** Texts stay texts and lists of text parts stay lists, because templates may treat them differently. */
function readContent(
  place: string,
  { role, content, tool_calls: calls, ...rest }: Record<string, unknown>,
): { content?: Message['content']; tool_calls?: unknown[] } {
  if (calls !== undefined && calls !== null && !Array.isArray(calls))
    throw new FettleError({ place, found: `tool_calls is ${describeValue(calls)}`, expected: 'a list' })
  const hasCalls = Array.isArray(calls) && calls.length > 0
  const callFields = hasCalls ? { tool_calls: calls } : {}
  if (typeof content === 'string') return { content, ...callFields }
  if (Array.isArray(content) && content.length > 0)
    return { content: content.map((part) => readPart(place, part)), ...callFields }
  const hasThinking = reasoningFields.some((field) => typeof rest[field] === 'string')
  if ((content === undefined || content === null) && role === 'assistant' && (hasCalls || hasThinking))
    return content === null ? { content, ...callFields } : callFields
  throw new FettleError({
    place,
    found: `content is ${describeValue(content)}`,
    expected: 'a text',
    ...(role === 'assistant' && (content === undefined || content === null)
      ? { cure: 'Only an assistant message with tool_calls may go without content.' }
      : {}),
  })
}

function readPart(place: string, part: unknown): ContentPart {
  if (isRecord(part) && part['type'] === 'text' && typeof part['text'] === 'string')
    return { ...part, type: 'text', text: part['text'] }
  const type = isRecord(part) ? `a part of type ${describeValue(part['type'])}` : describeValue(part)
  throw new FettleError({ place, found: `content with ${type}`, expected: 'parts of type text' })
}

function readTrain(place: string, { train }: Record<string, unknown>, weight: unknown): { train?: boolean } {
  if (typeof train === 'boolean') return { train }
  if (train !== undefined && train !== null)
    throw new FettleError({ place, found: `train is ${describeValue(train)}`, expected: 'true or false' })
  if (weight === undefined || weight === null || weight === 1) return {}
  if (weight === 0) return { train: false }
  throw new FettleError({ place, found: `weight is ${describeValue(weight)}`, expected: '0 or 1' })
}

/** LLaMA-Factory writes a call as JSON text in a message from `function_call`. */
function readFunctionCall(value: unknown): unknown {
  if (typeof value !== 'string') return undefined
  try {
    const call: unknown = JSON.parse(value)
    return isRecord(call) && typeof call['name'] === 'string'
      ? { type: 'function', function: call }
      : undefined
  } catch {
    return undefined
  }
}
