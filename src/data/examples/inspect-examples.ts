import { checkArgument, checkObject } from '../../check-argument.ts'
import { splitPerTurn } from '../../chat/index.ts'
import type { MaskPolicy, Message } from '../../chat/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { Conversation } from '../conversations/conversation.ts'
import { encodeConversations, type EncodedExample, type ExampleOptions } from './encode-conversations.ts'
import { readConversations, sourceReports, type ReadOptions } from '../mix/index.ts'
import { refuseUseless } from '../nothing-in.ts'
import { createDataReport, note } from '../report.ts'
import { formatOrigin } from '../row.ts'
import { sourceOf, type DataSource } from '../row-options.ts'

/** An example as it is learned, with what it was made from. */
export interface InspectedExample extends EncodedExample {
  text: string
  /** With `perTurn`: tokens at the beginning that are those of the turn before. */
  sharedTokens?: number
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
  options: ExampleOptions & ReadOptions = {},
): AsyncGenerator<InspectedExample> {
  checkArgument('sources', sources, Array.isArray(sources), 'a list of paths or sources')
  checkObject('options', options)
  const policy: MaskPolicy = { ...options.policy, accept: ['dropped', 'inferred', 'no-stop'] }
  const given = Array.from(sources, sourceOf)
  const { report = createDataReport(), found = sourceReports(given) } = options
  const reading = { ...options, report, found, policy, trainOnInput: policy.trainOnInput }
  let examples = 0
  for await (const conversation of readConversations(given, reading))
    for await (const example of inspectOne(conversation, tokenizer, reading)) {
      examples += 1
      yield example
    }
  if (given.length > 0) refuseUseless(found, report, examples)
}

async function* inspectOne(
  conversation: Conversation,
  tokenizer: Tokenizer,
  options: ExampleOptions,
): AsyncGenerator<InspectedExample> {
  if (conversation.kind === 'messages' && options.perTurn && options.skipInvalid !== true)
    return yield* inspectTurns(conversation, tokenizer, options)
  const found: InspectedExample[] = []
  for await (const example of encodeConversations([conversation], tokenizer, options))
    found.push({ ...example, text: example.text ?? tokenizer.decode(example.inputIds) })
  if (conversation.kind !== 'messages') return yield* found
  const { messages, tools, variables } = conversation
  const parts = options.perTurn ? splitPerTurn(messages).map((turn) => turn.messages) : [messages]
  yield* found.map((example, i) => ({
    ...example,
    chat: { messages: [...(example.fitted ?? parts[i])], tools, variables },
  }))
}

/** Turn after turn, as they are asked for: those of a long conversation are too many to hold. */
async function* inspectTurns(
  { messages, tools, variables, origin }: Extract<Conversation, { kind: 'messages' }>,
  tokenizer: Tokenizer,
  { policy, variables: shared, report }: ExampleOptions,
): AsyncGenerator<InspectedExample> {
  const turns = tokenizer.encodeTurns(
    { messages, tools, variables, place: formatOrigin(origin) },
    {
      policy,
      variables: shared,
      onRemark: (remark) => note(report, `${origin.file}: ${remark}`),
    },
  )
  for await (const { messages: turn, ...encoding } of turns)
    yield { ...encoding, origin, chat: { messages: [...turn], tools, variables } }
}
