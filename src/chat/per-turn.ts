import { checkMessages } from '../check-argument.ts'
import type { Message } from './messages.ts'

/** A conversation up to one answer, of which that answer alone is learned. */
export interface ConversationTurn {
  messages: Message[]
  learn: 'last'
}

/**
 * One conversation for each answer, so that each is learned as it is served: a template that strips the thinking of
 * earlier turns shows every answer's thinking once.
 */
export function splitPerTurn(messages: readonly Message[]): ConversationTurn[] {
  checkMessages('messages', messages)
  const unlearned = Array.from(messages, (message): Message => ({ ...message, train: false }))
  return [...messages].flatMap((message, index) => {
    if (message.role !== 'assistant' || message.train === false) return []
    return [{ messages: [...unlearned.slice(0, index), message], learn: 'last' as const }]
  })
}
