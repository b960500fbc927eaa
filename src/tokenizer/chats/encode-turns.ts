import { splitPerTurn } from '../../chat/index.ts'
import { encodeTextsWithSpans } from '../encoding/encode-with-spans.ts'
import type { ContinuedTexts, TokenisedText } from '../encoding/continued-text.ts'
import {
  maskRenderer,
  type Chat,
  type ChatEncoder,
  type ChatEncoding,
  type EncodeChatOptions,
} from './encode-chats.ts'

/** One answer with what precedes it, as it is served and learned. */
export interface TurnEncoding extends ChatEncoding {
  /** The conversation up to this answer. */
  messages: Chat['messages']
  /** Tokens at the beginning that are those of the turn before. */
  sharedTokens: number
}

/**
 * Each answer of a conversation with what precedes it. One turn after the other, because together they are as large as the
 * square of the conversation; of each only what the turn before did not have is tokenised.
 *
 * @throws FettleError where a template refuses a turn, or the policy does not accept a doubtful span
 */
export async function* encodeTurns(
  encoder: ChatEncoder,
  texts: ContinuedTexts,
  chat: Chat,
  options: EncodeChatOptions,
): AsyncGenerator<TurnEncoding> {
  let known: TokenisedText | undefined
  const { messages, render } = maskRenderer(encoder, chat, options)
  for (const turn of splitPerTurn(messages)) {
    const { text, spans, dropped } = render(turn.messages)
    const from = texts.partingOf(text, known)
    const isBehind = spans.every(({ start, ranges = [] }) =>
      [start, ...ranges.map((range) => range.start)].every((at) => at >= from.offset),
    )
    const shared = isBehind ? from : { offset: 0, token: 0 }
    known = await texts.encode(text, known, shared)
    const moved = spans.map((span) => ({
      ...span,
      start: span.start - shared.offset,
      end: span.end - shared.offset,
      ...(span.ranges && {
        ranges: span.ranges.map(({ start, end }) => ({
          start: start - shared.offset,
          end: end - shared.offset,
        })),
      }),
    }))
    const tail = { text: text.slice(shared.offset), spans: moved }
    const [encoding] = await encodeTextsWithSpans(encoder.backend, [tail], { addSpecialTokens: false })
    const mask = new Uint8Array(known.inputIds.length)
    mask.set(encoding.mask, shared.token)
    yield {
      text,
      messages: chat.messages.slice(0, turn.messages.length),
      inputIds: known.inputIds,
      mask,
      sharedTokens: shared.token,
      ...(dropped.length > 0 && { dropped }),
      spans: encoding.spans.map((span) => ({
        ...span,
        start: span.start + shared.token,
        end: span.end + shared.token,
      })),
      straddles: encoding.straddles.map((straddle) => ({
        ...straddle,
        token: straddle.token + shared.token,
      })),
    }
  }
}
