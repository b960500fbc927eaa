import { checkSpans, renderWithSpans, type MaskPolicy, type Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { renderOptions, type ChatTemplateOptions, type ChatTemplates } from './chat-templates.ts'
import {
  encodeTextsWithSpans,
  type SpanEncoder,
  type TextEncoding,
  type TextWithSpans,
} from '../encode-with-spans.ts'
import type { NamedToken } from '../named-tokens.ts'

/** A conversation to learn from. */
export interface Chat {
  messages: readonly Message[]
  /** Functions that the model may call, as JSON schemas. */
  tools?: readonly unknown[] | undefined
  /** Where it stands, for error messages: `train.jsonl:41`. */
  place?: string | undefined
}

/** How conversations become tokens with a loss mask. */
export interface EncodeChatOptions extends Pick<ChatTemplateOptions, 'variables' | 'template'> {
  policy?: MaskPolicy | undefined
}

/** A rendered conversation as tokens, with what is learned of it. */
export type ChatEncoding = TextEncoding

/** What encoding chats needs of the tokenizer. */
export interface ChatEncoder extends SpanEncoder {
  templates: ChatTemplates
  named: ReadonlyMap<NamedToken, string>
  specialTokens: readonly string[]
}

/** Large enough to keep all cores busy, small enough that a chunk is rendered while the one before is tokenised. */
const chunkSize = 256

/**
 * Renders conversations, finds what is learned of each and tokenises them; a backend with threads of its own works on the
 * new words of one chunk, or on its whole texts, while the next one is rendered here.
 *
 * @throws FettleError where a template refuses a conversation, or the policy does not accept a doubtful span
 */
export async function encodeChats(
  encoder: ChatEncoder,
  chats: readonly Chat[],
  options: EncodeChatOptions,
): Promise<ChatEncoding[]> {
  const results: ChatEncoding[] = []
  let pending: Promise<ChatEncoding[]> = Promise.resolve([])
  for (let start = 0; start < chats.length; start += chunkSize) {
    const items = chats.slice(start, start + chunkSize).map((chat) => renderWithMask(encoder, chat, options))
    const encodings = encodeTextsWithSpans(encoder, items, { addSpecialTokens: false })
    results.push(...(await pending))
    pending = encodings
  }
  results.push(...(await pending))
  return results
}

function renderWithMask(
  { templates, named, specialTokens }: ChatEncoder,
  { messages, tools, place }: Chat,
  { policy, variables, template }: EncodeChatOptions,
): TextWithSpans {
  const compiled = templates.select({ tools, template })
  try {
    const { rendered, spans } = renderWithSpans(
      compiled,
      renderOptions(messages, { tools, variables }, named),
      { bosToken: named.get('bos_token'), eosToken: named.get('eos_token'), specialTokens, policy },
    )
    checkSpans(spans, { text: rendered.text, place: place ?? 'conversation', policy })
    return { text: rendered.text, spans }
  } catch (error) {
    throw place === undefined ? error : inPlace(place, error)
  }
}

/** What a template complains of says where in the template; here is said in which conversation. */
function inPlace(place: string, error: unknown): unknown {
  if (!(error instanceof FettleError)) return error
  const problems = error.problems.map((problem) =>
    problem.place === place ? problem : { ...problem, place: `${place}: ${problem.place}` },
  )
  return new FettleError(problems, { exitCode: error.exitCode, cause: error })
}
