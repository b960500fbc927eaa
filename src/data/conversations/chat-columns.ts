import type { Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { describeValue, isJsonObject } from '../../formats/json/index.ts'
import { parseJson } from '../../formats/index.ts'
import type { Conversation } from './conversation.ts'
import { formatOrigin, readText, type Row } from '../row.ts'
import { readTools } from './tool-calls.ts'
import { isNothing } from '../values.ts'

/** Adds to a conversation what chat formats may have in columns beside the messages. */
export function withColumns(row: Row, messages: Message[]): Conversation {
  const { value, origin } = row
  const place = formatOrigin(origin)
  const tools = readTools(place, value)
  const variables = readVariables(place, value['chat_template_kwargs'])
  return {
    kind: 'messages',
    messages: withSystem(row, messages),
    ...(tools !== undefined && { tools }),
    ...(variables !== undefined && { variables }),
    origin,
  }
}

function withSystem(row: Row, messages: Message[]): Message[] {
  if (isNothing(row.value['system'])) return messages
  const content = readText(row, 'system')
  const [first] = messages
  if (first.role !== 'system') return [{ role: 'system', content }, ...messages]
  if (first.content === content) return messages
  throw new FettleError({
    place: formatOrigin(row.origin),
    found: 'a column system, and messages that begin with another system message',
    expected: 'one of them',
    cure: 'Take one out.',
  })
}

/** Variables of this row's template, as TRL passes them. */
function readVariables(place: string, given: unknown): Record<string, unknown> | undefined {
  if (isNothing(given)) return undefined
  const read =
    typeof given === 'string' && given.startsWith('{')
      ? parseJson(given, `${place}: chat_template_kwargs`)
      : given
  if (isJsonObject(read)) return read
  throw new FettleError({
    place,
    found: `chat_template_kwargs is ${describeValue(given)}`,
    expected: 'names with values, such as {"enable_thinking": false}',
  })
}
