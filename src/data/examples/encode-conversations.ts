import type { DroppedField, MaskPolicy, Message } from '../../chat/index.ts'
import { splitPerTurn } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import type { ChatEncoding, Straddle, Tokenizer } from '../../tokenizer/index.ts'
import { batchesOf, inOrder } from './conversation-batches.ts'
import type { Conversation } from '../conversations/conversation.ts'
import type { Example } from './example.ts'
import { note, noteFirst, skipOrThrow, type DataReport, type InvalidRowOptions } from '../report.ts'
import { formatOrigin } from '../row.ts'
import { listMany } from '../values.ts'

/** How conversations become examples. */
export interface ExampleOptions extends InvalidRowOptions {
  /** Which messages are learned, and which doubtful borders are accepted. */
  policy?: MaskPolicy | undefined
  /** One example for each answer, as it is served, instead of one for each conversation. */
  perTurn?: boolean | undefined
  /** What else the chat template reads, such as `enable_thinking`. */
  variables?: Record<string, unknown> | undefined
  /** Rows of the model's embedding; token ids must be below it (default: the tokenizer's length). */
  vocabSize?: number | undefined
}

/** An example with the text it was made from, as `fettle inspect` shows it. */
export type EncodedExample = Example & {
  /** Absent for rows that came as tokens. */
  text?: string
  /** Tokens that lie across the border of what is learned. */
  straddles: Straddle[]
  /** What the template left out of the messages, where the policy accepts that. */
  dropped?: readonly DroppedField[]
  /** The messages as the template was given them, where it could not take them as they are. */
  fitted?: readonly Message[]
}

type Kind = Conversation['kind']
type OfKind<K extends Kind> = Extract<Conversation, { kind: K }>
type Encoder<K extends Kind> = (
  items: OfKind<K>[],
  tokenizer: Tokenizer,
  options: ExampleOptions,
) => Promise<EncodedExample[]>

/**
 * Tokenises conversations with their loss mask, a batch at a time, in order.
 *
 * @throws FettleError that names the row, the first one that cannot be used: a chat template refuses it, an answer's borders are
 *   doubtful, a token id is out of range
 */
export async function* encodeConversations(
  conversations: AsyncIterable<Conversation> | Iterable<Conversation>,
  tokenizer: Tokenizer,
  options: ExampleOptions = {},
): AsyncGenerator<EncodedExample> {
  // One batch is tokenised in the background while the next is read and rendered.
  const batches = inOrder(batchesOf(conversations), () => ({
    encode: (batch) => encodeOrSkip(batch.conversations, tokenizer, options),
    depth: 1,
  }))
  for await (const examples of batches) yield* examples
}

/** A batch; where a row of it cannot be used and such rows are left out, each by itself. */
export async function encodeOrSkip(
  items: readonly Conversation[],
  tokenizer: Tokenizer,
  options: ExampleOptions,
): Promise<EncodedExample[]> {
  try {
    return await encodeBatch(items, tokenizer, options)
  } catch (error) {
    if (options.skipInvalid !== true) throw error
  }
  const examples: EncodedExample[] = []
  for (const item of items) {
    try {
      examples.push(...(await encodeBatch([item], tokenizer, options)))
    } catch (error) {
      skipOrThrow(error, options, item.origin)
    }
  }
  return examples
}

/** All of one kind. */
async function encodeBatch(
  items: readonly Conversation[],
  tokenizer: Tokenizer,
  options: ExampleOptions,
): Promise<EncodedExample[]> {
  const ofKind = <K extends Kind>(kind: K) => items.filter((item): item is OfKind<K> => item.kind === kind)
  switch (items[0].kind) {
    case 'messages':
      return encodeMessages(ofKind('messages'), tokenizer, options)
    case 'completion':
      return encodeCompletions(ofKind('completion'), tokenizer, options)
    case 'text':
      return encodeTexts(ofKind('text'), tokenizer, options)
    case 'tokens':
      return encodeTokens(ofKind('tokens'), tokenizer, options)
  }
}

const encodeMessages: Encoder<'messages'> = async (items, tokenizer, options) => {
  const { policy, perTurn, variables, report } = options
  const chats = items.flatMap(({ messages, tools, variables: own, origin }) => {
    const parts = perTurn ? splitPerTurn(messages).map((turn) => turn.messages) : [messages]
    return parts.map((part) => ({
      messages: part,
      tools,
      variables: own,
      place: formatOrigin(origin),
      origin,
    }))
  })
  const onRemark = (remark: string) => {
    // The rows of a mixture stand side by side.
    const files = listMany([...new Set(items.map(({ origin }) => origin.file))])
    note(report, `${files}: ${remark}`)
  }
  const encodings = await tokenizer.encodeChats(chats, { policy, variables, onRemark })
  return encodings.map((encoding, i) => ({ ...toExample(encoding), origin: chats[i].origin }))
}

/** Prompt and completion are tokenised as one text; the completion and its eos are learned. */
const encodeCompletions: Encoder<'completion'> = async (items, tokenizer, { policy = {}, report }) => {
  const eos = requireEos(items, tokenizer)
  const texts = items.map(({ prompt, completion }) => {
    const text = prompt + (completion.endsWith(eos) ? completion : completion + eos)
    const start = policy.trainOnInput ? 0 : prompt.length
    return {
      text,
      spans: [{ message: 1, start, end: text.length, status: 'proved' as const, stopToken: eos }],
    }
  })
  const examples = await encodePlain(texts, items, tokenizer)
  const crossing = examples.find(({ straddles }) => straddles.length > 0)
  if (crossing !== undefined) noteCrossing(report, crossing, tokenizer)
  return examples
}

/** Served, a prompt is tokenised by itself, so that the model never sees such a token where the answer begins. */
function noteCrossing(
  report: DataReport | undefined,
  { inputIds, straddles, origin }: EncodedExample,
  tokenizer: Tokenizer,
): void {
  const token = JSON.stringify(tokenizer.decode([inputIds[straddles[0].token]]))
  const what = 'tokens lie across the border of prompt and completion, where serving would split them'
  const about = `${origin.file}: ${what}`
  noteFirst(report, about, `${token} in ${formatOrigin(origin)}`)
}

/** Everything is learned; a text that does not end in eos gets one. */
const encodeTexts: Encoder<'text'> = async (items, tokenizer) => {
  const eos = requireEos(items, tokenizer)
  const texts = items.map(({ text: given }) => {
    const text = given.endsWith(eos) ? given : given + eos
    return {
      text,
      spans: [{ message: 0, start: 0, end: text.length, status: 'proved' as const, stopToken: eos }],
    }
  })
  return encodePlain(texts, items, tokenizer)
}

const encodeTokens: Encoder<'tokens'> = async (items, tokenizer, { vocabSize }) => {
  const limit = vocabSize ?? tokenizer.length
  const special = new Set(tokenizer.specialTokens.map((token) => tokenizer.convertTokensToIds(token)))
  return items.map(({ inputIds, mask, origin }) => {
    const wrong = inputIds.findIndex((id) => id < 0 || id >= limit)
    if (wrong >= 0)
      throw new FettleError({
        place: formatOrigin(origin),
        found: `input_ids[${wrong}] is ${inputIds[wrong]}`,
        expected: `0 to ${limit - 1}, the tokens of this model`,
        cure: 'Tokenise the data with the tokenizer of the model that is trained.',
      })
    const ids = Int32Array.from(inputIds)
    const spans = learnedRuns(ids, mask, (id) => special.has(id))
    return { inputIds: ids, mask, spans, straddles: [], origin }
  })
}

async function encodePlain(
  texts: Parameters<Tokenizer['encodeTextsWithSpans']>[0],
  items: readonly OfKind<'completion' | 'text'>[],
  tokenizer: Tokenizer,
): Promise<EncodedExample[]> {
  const { bosToken } = tokenizer
  // A text that was rendered by a template begins with bos already: the tokenizer must not add another.
  const begins = (text: string) => bosToken !== undefined && bosToken !== '' && text.startsWith(bosToken)
  const groups = [true, false].map((begun) => texts.filter(({ text }) => begins(text) === begun))
  const [begun, plain] = await Promise.all(
    groups.map((group, i) => tokenizer.encodeTextsWithSpans(group, { addSpecialTokens: i === 1 })),
  )
  const next = { begun: 0, plain: 0 }
  return texts.map(({ text }, i) => {
    const encoding = begins(text) ? begun[next.begun++] : plain[next.plain++]
    return { ...endOnce(toExample(encoding), tokenizer.eosTokenId), origin: items[i].origin }
  })
}

/** Some tokenizers add an eos of their own behind the one that the text ends in. */
function endOnce<E extends Omit<EncodedExample, 'origin'>>(example: E, eosId: number | undefined): E {
  const { inputIds, mask } = example
  let length = inputIds.length
  while (
    length > 1 &&
    inputIds[length - 1] === eosId &&
    inputIds[length - 2] === eosId &&
    mask[length - 1] === 0
  )
    length--
  return length === inputIds.length
    ? example
    : { ...example, inputIds: inputIds.slice(0, length), mask: mask.slice(0, length) }
}

function requireEos(items: readonly Conversation[], tokenizer: Tokenizer): string {
  const { eosToken } = tokenizer
  if (eosToken !== undefined && eosToken !== '') return eosToken
  throw new FettleError({
    place: formatOrigin(items[0].origin),
    found: `a text, and a tokenizer (${tokenizer.place}) without eos token to end it with`,
    expected: 'an eos token',
    cure: 'Add eos_token to tokenizer_config.json.',
  })
}

function toExample({ text, inputIds, mask, spans, straddles, dropped, fitted }: ChatEncoding) {
  const example = { text, inputIds, mask, spans, straddles }
  if (dropped === undefined && fitted === undefined) return example
  return { ...example, ...(dropped && { dropped }), ...(fitted && { fitted }) }
}

/** The learned stretches of tokens, as spans; one that ends in a special token ends in a stop. */
function learnedRuns(
  ids: Int32Array,
  mask: Uint8Array,
  isSpecial: (id: number) => boolean,
): Example['spans'] {
  const spans: Example['spans'] = []
  for (let start = mask.indexOf(1); start >= 0;) {
    const next = mask.indexOf(0, start)
    const end = next < 0 ? mask.length : next
    spans.push({ message: spans.length, start, end, status: isSpecial(ids[end - 1]) ? 'marked' : 'no-stop' })
    start = next < 0 ? -1 : mask.indexOf(1, next)
  }
  return spans
}
