import { isJsonObject } from '../../formats/json/index.ts'
import type { MessageKeys } from '../row-options.ts'

/** Under which keys a message has its role and what it says. */
export interface MessageShape {
  role: string
  content: string
}

/** The shape of a message: the keys that were named, else OpenAI's, else ShareGPT's `from` and `value`. */
export function shapeOf(item: Readonly<Record<string, unknown>>, keys: MessageKeys = {}): MessageShape {
  return {
    role: keys.role ?? (!('role' in item) && 'from' in item ? 'from' : 'role'),
    content: keys.content ?? (!('content' in item) && 'value' in item ? 'value' : 'content'),
  }
}

/** Whether a value looks like a message: it has a role and says or does something. */
export function isMessageLike(item: unknown, keys: MessageKeys | undefined): boolean {
  if (!isJsonObject(item)) return false
  const { role, content } = shapeOf(item, keys)
  return (
    typeof item[role] === 'string' && (content in item || 'tool_calls' in item || 'function_call' in item)
  )
}

const roleLike = /^(?:speaker|author|sender|who|role|from|user)$/i
const contentLike = /^(?:text|message|utterance|body|content|value|says)$/i

/** `message_keys` for a message of other keys, where it is clear what they are. */
export function guessedKeys(item: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(item)
  const role = names.filter((name) => roleLike.test(name))
  const content = names.filter((name) => contentLike.test(name))
  return role.length === 1 && content.length === 1
    ? `message_keys: { role: ${role[0]}, content: ${content[0]} }`
    : undefined
}
