import {
  checkSpans,
  fitMessages,
  spanRenderer,
  type DroppedField,
  type MaskPolicy,
  type Message,
} from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { renderOptions, type ChatTemplateOptions, type ChatTemplates } from './chat-templates.ts'
import type { Backend } from '../backend.ts'
import { encodeTextWithSpans, type TextEncoding, type TextWithSpans } from '../encoding/encode-with-spans.ts'
import type { NamedToken } from '../named-tokens.ts'
import { mapInTurns } from '../encoding/own-turn.ts'

/** A conversation to learn from. */
export interface Chat {
  messages: readonly Message[]
  /** Functions that the model may call, as JSON schemas. */
  tools?: readonly unknown[] | undefined
  /** What this one's template reads besides, such as `enable_thinking`; above those of the options. */
  variables?: Record<string, unknown> | undefined
  /** Where it stands, for error messages: `train.jsonl:41`. */
  place?: string | undefined
}

/** How conversations become tokens with a loss mask. */
export interface EncodeChatOptions extends Pick<ChatTemplateOptions, 'variables' | 'template'> {
  policy?: MaskPolicy | undefined
  /** Is told, in words, where the template does not take the messages or tools as they are. */
  onRemark?: ((remark: string) => void) | undefined
}

/** A rendered conversation as tokens, with what is learned of it. */
export interface ChatEncoding extends TextEncoding {
  /** What the template left out of it, where the policy accepts that. */
  dropped?: readonly DroppedField[]
  /** The messages as the template was given them, where it could not take them as they are. */
  fitted?: readonly Message[]
}

/** What encoding chats needs of the tokenizer. */
export interface ChatEncoder {
  backend: Backend
  templates: ChatTemplates
  named: ReadonlyMap<NamedToken, string>
  specialTokens: readonly string[]
}

/**
 * Renders conversations, finds what is learned of each and tokenises them.
 *
 * @throws FettleError where a template refuses a conversation, or the policy does not accept a doubtful span
 */
export function encodeChats(
  encoder: ChatEncoder,
  chats: readonly Chat[],
  options: EncodeChatOptions,
): Promise<ChatEncoding[]> {
  return mapInTurns(chats, (chat) => {
    const rendered = renderWithMask(encoder, chat, options)
    const encoding: ChatEncoding = encodeTextWithSpans(encoder.backend, rendered, false)
    if (rendered.dropped.length > 0) encoding.dropped = rendered.dropped
    if (rendered.fitted !== undefined) encoding.fitted = rendered.fitted
    return encoding
  })
}

/** A rendered conversation before it is tokenised. */
export interface RenderedChat extends TextWithSpans {
  dropped: readonly DroppedField[]
  fitted: readonly Message[] | undefined
}

function renderWithMask(encoder: ChatEncoder, chat: Chat, options: EncodeChatOptions): RenderedChat {
  const { messages, render } = maskRenderer(encoder, chat, options)
  return render(messages)
}

/** A conversation as its template sees it, and what gives the text of a beginning of it with what is learned of that. */
export function maskRenderer(
  { templates, named, specialTokens }: ChatEncoder,
  { messages, tools, variables: own, place }: Chat,
  { policy, variables, template, onRemark }: EncodeChatOptions,
): { messages: readonly Message[]; render: (beginning: readonly Message[]) => RenderedChat } {
  const compiled = templates.select({ tools, template })
  const inItsPlace = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw place === undefined ? error : inPlace(place, withHint(error, messages))
    }
  }
  const { conversation, isFitted } = inItsPlace(() => {
    const given = renderOptions(messages, { tools, variables: { ...variables, ...own } }, named)
    const fitted = fitMessages(compiled, given)
    for (const remark of fitted.remarks) onRemark?.(remark)
    const isFitted = fitted.messages.some((message, i) => message !== given.messages[i])
    return { conversation: { ...given, messages: fitted.messages }, isFitted }
  })
  const renderer = spanRenderer(compiled, conversation, {
    bosToken: named.get('bos_token'),
    eosToken: named.get('eos_token'),
    specialTokens,
    policy,
  })
  return {
    messages: conversation.messages,
    render: (beginning) =>
      inItsPlace(() => {
        const { rendered, spans, dropped } = renderer(beginning)
        const { text } = rendered
        checkSpans(spans, { text, place: place ?? 'conversation', policy, dropped })
        return { text, spans, dropped, fitted: isFitted ? beginning : undefined }
      }),
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

/** What of the messages a template may stumble over, where it gives a reason of Python's and no cure. */
function withHint(error: unknown, messages: readonly Message[]): unknown {
  if (!(error instanceof FettleError)) return error
  const odd = messages.flatMap(({ role, content }, i) => {
    if (Array.isArray(content)) return [`messages[${i}].content is a list of parts`]
    return content === undefined || content === null ? [`messages[${i}] (${role}) has no content`] : []
  })
  if (odd.length === 0) return error
  const cure = `Does the template take it? ${odd.slice(0, 3).join(', ')}.`
  const problems = error.problems.map((problem) =>
    problem.cure === undefined && /^(?:TypeError|UndefinedError|ValueError):/.test(problem.found)
      ? { ...problem, cure }
      : problem,
  )
  return new FettleError(problems, { exitCode: error.exitCode, cause: error })
}
