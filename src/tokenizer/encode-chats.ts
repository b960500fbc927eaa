import type { Tokenizer as RustTokenizer } from 'tokenizers'
import {
  checkSpans,
  renderWithSpans,
  type LearnedSpan,
  type MaskPolicy,
  type Message,
} from '../chat/index.ts'
import { FettleError } from '../error.ts'
import { renderOptions, type ChatTemplateOptions, type ChatTemplates } from './chat-templates.ts'
import type { NamedToken } from './named-tokens.ts'
import { mapSpans, type SpanEncoding } from './spans.ts'

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
export interface ChatEncoding extends SpanEncoding {
  text: string
}

/** A text of which only some parts are learned. */
export interface TextWithSpans {
  text: string
  spans: readonly LearnedSpan[]
}

/** What encoding chats needs of the tokenizer. */
export interface ChatEncoder {
  rust: RustTokenizer
  templates: ChatTemplates
  named: ReadonlyMap<NamedToken, string>
  specialTokens: readonly string[]
}

/** Large enough to keep all cores busy, small enough that a chunk is rendered while the one before is tokenised. */
const chunkSize = 256

/**
 * Renders conversations, finds what is learned of each and tokenises them; the Rust library works on one chunk
 * while the next one is rendered here.
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
    const encodings = encodeTextsWithSpans(encoder.rust, items, { addSpecialTokens: false })
    results.push(...(await pending))
    pending = encodings
  }
  results.push(...(await pending))
  return results
}

/** Tokenises texts and carries their spans over to tokens. */
export async function encodeTextsWithSpans(
  rust: RustTokenizer,
  items: readonly TextWithSpans[],
  { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {},
): Promise<ChatEncoding[]> {
  if (items.length === 0) return []
  const encodings = await rust.encodeBatch(
    items.map(({ text }) => text),
    { addSpecialTokens },
  )
  return encodings.map((encoding, i) => ({
    text: items[i].text,
    ...mapSpans(encoding, items[i].text, items[i].spans),
  }))
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
  const findings = error.findings.map((finding) =>
    finding.place === place ? finding : { ...finding, place: `${place}: ${finding.place}` },
  )
  return new FettleError(findings, { exitCode: error.exitCode, cause: error })
}
