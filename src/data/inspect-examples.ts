import { splitPerTurn } from '../chat/index.ts'
import type { MaskPolicy, Message } from '../chat/index.ts'
import type { Straddle, Tokenizer } from '../tokenizer/index.ts'
import type { Conversation } from './conversation.ts'
import { encodeConversations, type EncodedExample, type ExampleOptions } from './encode-conversations.ts'
import { formatOrigin } from './row.ts'
import { readRows, sourceOf, type DataSource } from './source.ts'
import { toConversations } from './to-conversations.ts'

/** An example as it is learned, with what it was made from. */
export interface InspectedExample extends EncodedExample {
  text: string
  /** Tokens that lie across the border of what is learned. */
  straddles: Straddle[]
  /** What a template rendered; undefined for text and tokens. */
  chat?: { messages: Message[]; tools?: readonly unknown[] | undefined }
}

/**
 * Every example of some data in order, with its text, its tokens and what is learned of them: what `fettle inspect` shows.
 * Doubtful spans are there too, whatever the policy accepts: they are what people look for.
 *
 * @param sources  files, or rows that the program holds
 * @throws FettleError that names file and line of a row that is not in the format, or that the chat template refuses
 */
export async function* inspect(
  sources: readonly (string | DataSource)[],
  tokenizer: Tokenizer,
  options: ExampleOptions = {},
): AsyncGenerator<InspectedExample> {
  const policy: MaskPolicy = { ...options.policy, accept: ['inferred', 'no-stop'] }
  for (const source of sources.map(sourceOf)) {
    const conversations = toConversations(readRows(source), { ...source, trainOnInput: policy.trainOnInput })
    for await (const conversation of conversations)
      yield* inspectOne(conversation, tokenizer, { ...options, policy })
  }
}

async function* inspectOne(
  conversation: Conversation,
  tokenizer: Tokenizer,
  options: ExampleOptions,
): AsyncGenerator<InspectedExample> {
  const { origin } = conversation
  if (conversation.kind !== 'messages') {
    for await (const example of encodeConversations([conversation], tokenizer, options))
      yield { ...example, text: example.text ?? tokenizer.decode(example.inputIds), straddles: [] }
    return
  }
  const { messages, tools } = conversation
  const { policy, perTurn, variables } = options
  const parts = perTurn ? splitPerTurn(messages).map((turn) => turn.messages) : [messages]
  for (const part of parts) {
    const chat = { messages: part, tools, place: formatOrigin(origin) }
    const [encoding] = await tokenizer.encodeChats([chat], { policy, variables })
    yield { ...encoding, origin, chat: { messages: part, tools } }
  }
}
