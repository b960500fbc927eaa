import type { Conversation } from '../conversations/conversation.ts'

/** Conversations that are tokenised at once: several of the tokenizer's own chunks would only cost memory. */
const batchSize = 256
/** Characters of them, about. */
const batchCharacters = 1 << 20

/** Characters on their way at once, besides those of one batch: what they become takes several times as much memory. */
const mostCharacters = 6 << 20

/** Neighbours of one kind, at least one. */
export interface ConversationBatch {
  conversations: Conversation[]
  /** About how many characters they have. */
  characters: number
}

/**
 * Neighbours of one kind, in order.
 *
 * @throws what reading them throws, after the batch of those before
 */
export async function* batchesOf(
  conversations: AsyncIterable<Conversation> | Iterable<Conversation>,
): AsyncGenerator<ConversationBatch> {
  let batch: ConversationBatch = { conversations: [], characters: 0 }
  let failure: { error: unknown } | undefined
  try {
    for await (const conversation of conversations) {
      const first = batch.conversations[0]
      const isFull = batch.conversations.length >= batchSize || batch.characters >= batchCharacters
      if (first !== undefined && (isFull || first.kind !== conversation.kind)) {
        yield batch
        batch = { conversations: [], characters: 0 }
      }
      batch.conversations.push(conversation)
      batch.characters += charactersOf(conversation)
    }
  } catch (error) {
    failure = { error }
  }
  if (batch.conversations.length > 0) yield batch
  if (failure !== undefined) throw failure.error
}

function charactersOf(conversation: Conversation): number {
  switch (conversation.kind) {
    case 'messages':
      return conversation.messages.reduce(
        (sum, { content }) => sum + (typeof content === 'string' ? content.length : 0),
        0,
      )
    case 'completion':
      return conversation.prompt.length + conversation.completion.length
    case 'text':
      return conversation.text.length
    case 'tokens':
      return 4 * conversation.inputIds.length
  }
}

/** How a batch becomes something else, and how many batches are on their way at once, besides the one that is read. */
export interface BatchEncoder<T> {
  encode: (batch: ConversationBatch) => Promise<T>
  depth: number
}

/**
 * What batches become, in their order.
 *
 * @param encoderFor  asked for each batch
 * @throws what comes first in the order of the batches, of reading and encoding
 */
export async function* inOrder<T>(
  batches: AsyncIterable<ConversationBatch>,
  encoderFor: (batch: ConversationBatch) => BatchEncoder<T>,
): AsyncGenerator<T> {
  const waiting: { encoded: Promise<T>; characters: number }[] = []
  let characters = 0
  const source = batches[Symbol.asyncIterator]()
  let failure: { error: unknown } | undefined
  try {
    for (;;) {
      const next = await source.next().catch((error: unknown) => {
        failure = { error }
        return undefined
      })
      if (next === undefined || next.done === true) break
      const { encode, depth } = encoderFor(next.value)
      const encoding = encode(next.value)
      // Its error is thrown in its turn, when it is awaited; until then it must not count as unhandled.
      encoding.catch(() => {})
      waiting.push({ encoded: encoding, characters: next.value.characters })
      characters += next.value.characters
      while (waiting.length > depth || (waiting.length > 1 && characters > mostCharacters)) {
        const [oldest] = waiting.splice(0, 1)
        characters -= oldest.characters
        yield oldest.encoded
      }
    }
    for (const { encoded } of waiting) yield encoded
  } finally {
    await source.return?.()
  }
  if (failure !== undefined) throw failure.error
}
