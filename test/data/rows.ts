import { FettleError } from '../../src/error.ts'
import { toConversations, type Conversation, type ConversationOptions } from '../../src/data/index.ts'

/** The conversations of rows that stand in lines of train.jsonl. */
export async function conversationsOf(
  values: readonly Record<string, unknown>[],
  options: ConversationOptions = {},
): Promise<Conversation[]> {
  const rows = values.map((value, i) => ({ value, origin: { file: 'train.jsonl', line: i + 1 } }))
  return collect(toConversations(rows, options))
}

/** Everything that a stream yields. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

/** The message of the FettleError that a promise ends in. */
export async function errorOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof FettleError) return error.message
    throw error
  }
  return 'no error'
}
