import { splitPerTurn } from '../chat/index.ts'
import type { MaskPolicy, Message } from '../chat/index.ts'
import { encodeConversations, formatOrigin, readRows, toConversations } from '../data/index.ts'
import type { Conversation, DataSource, EncodedExample } from '../data/index.ts'
import type { Straddle, Tokenizer } from '../tokenizer/index.ts'

/** An example as it is learned, with what it was made from. */
export interface Inspected extends EncodedExample {
  text: string
  straddles: Straddle[]
  /** What a template rendered; undefined for text and tokens. */
  chat?: { messages: Message[]; tools?: readonly unknown[] | undefined }
}

/** What decides how conversations become examples. */
export interface InspectOptions {
  policy: MaskPolicy
  perTurn: boolean
  variables: Record<string, unknown>
}

/** Every example of the sources in order, doubtful ones too: they are what people look for. */
export async function* inspectSources(
  sources: readonly DataSource[],
  tokenizer: Tokenizer,
  options: InspectOptions,
): AsyncGenerator<Inspected> {
  const policy: MaskPolicy = { ...options.policy, accept: ['inferred', 'no-stop'] }
  for (const source of sources) {
    const conversations = toConversations(readRows(source), { ...source, trainOnInput: policy.trainOnInput })
    for await (const conversation of conversations)
      yield* inspect(conversation, tokenizer, { ...options, policy })
  }
}

async function* inspect(
  conversation: Conversation,
  tokenizer: Tokenizer,
  { policy, perTurn, variables }: InspectOptions,
): AsyncGenerator<Inspected> {
  const { origin } = conversation
  if (conversation.kind !== 'messages') {
    for await (const example of encodeConversations([conversation], tokenizer, { policy, variables }))
      yield { ...example, text: example.text ?? tokenizer.decode(example.inputIds), straddles: [] }
    return
  }
  const { messages, tools } = conversation
  const parts = perTurn ? splitPerTurn(messages).map((turn) => turn.messages) : [messages]
  for (const part of parts) {
    const chat = { messages: part, tools, place: formatOrigin(origin) }
    const [encoding] = await tokenizer.encodeChats([chat], { policy, variables })
    yield { ...encoding, origin, chat: { messages: part, tools } }
  }
}
