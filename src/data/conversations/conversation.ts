import type { Message } from '../../chat/index.ts'
import type { Origin } from '../row.ts'

/**
 * One training record in a common form. Rows of chat formats become `messages`; `prompt` + `completion`
 * of plain text, `text` and pre-tokenised rows keep their own kind, because no template may touch them.
 */
export type Conversation =
  | {
      kind: 'messages'
      messages: Message[]
      tools?: unknown[]
      /** What this row's template reads besides, such as `enable_thinking`. */
      variables?: Record<string, unknown>
      origin: Origin
    }
  | { kind: 'completion'; prompt: string; completion: string; origin: Origin }
  | { kind: 'text'; text: string; origin: Origin }
  | { kind: 'tokens'; inputIds: number[]; mask: Uint8Array; origin: Origin }
