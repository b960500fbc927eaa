import { splitPerTurn } from '../chat/index.ts'
import type { MaskPolicy, Message } from '../chat/index.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import type { Conversation } from './conversation.ts'
import { encodeConversations, type EncodedExample, type ExampleOptions } from './encode-conversations.ts'
import { nothingIn } from './prepare-examples.ts'
import { createDataReport } from './report.ts'
import { sourceOf, type DataSource } from './row-options.ts'
import { readRows } from './source.ts'
import { toConversations } from './to-conversations.ts'

/** An example as it is learned, with what it was made from. */
export interface InspectedExample extends EncodedExample {
  text: string
  /** What a template rendered; undefined for text and tokens. */
  chat?: {
    messages: Message[]
    tools?: readonly unknown[] | undefined
    variables?: Record<string, unknown> | undefined
  }
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
  const policy: MaskPolicy = { ...options.policy, accept: ['dropped', 'inferred', 'no-stop'] }
  const report = options.report ?? createDataReport()
  for (const source of sources.map(sourceOf)) {
    const before = { ...report }
    let examples = 0
    const conversations = toConversations(readRows(source, { ...options, report }), {
      ...source,
      ...options,
      report,
      trainOnInput: policy.trainOnInput,
    })
    for await (const conversation of conversations) {
      for (const example of await inspectOne(conversation, tokenizer, { ...options, report, policy })) {
        examples += 1
        yield example
      }
    }
    if (examples === 0) throw nothingIn(source, report, before)
  }
}

async function inspectOne(
  conversation: Conversation,
  tokenizer: Tokenizer,
  options: ExampleOptions,
): Promise<InspectedExample[]> {
  const found: InspectedExample[] = []
  for await (const example of encodeConversations([conversation], tokenizer, options))
    found.push({ ...example, text: example.text ?? tokenizer.decode(example.inputIds) })
  if (conversation.kind !== 'messages') return found
  const { messages, tools, variables } = conversation
  const parts = options.perTurn ? splitPerTurn(messages).map((turn) => turn.messages) : [messages]
  return found.map((example, i) => ({ ...example, chat: { messages: parts[i], tools, variables } }))
}
