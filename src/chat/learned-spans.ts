import {
  checkArgument,
  checkList,
  checkMessages,
  checkObject,
  checkOptionalText,
  checkOptions,
  isObject,
  isText,
} from '../check-argument.ts'
import type { ChatTemplate, RenderBeginning, RenderOptions } from './template.ts'
import { droppedFields } from './dropped-fields.ts'
import { findMarkedSpans } from './marked-spans.ts'
import { ownershipOf, type Ownership } from './ownership.ts'
import { foreignHoles, learnedMessages, punch, thinkingHoles, toolCallHoles } from './span-policy.ts'
import { templateFacts, type TemplateFacts, type TokenTexts } from './stop-tokens.ts'
import { findTurnEnd } from './turn-end.ts'
import { findTurnStart } from './turn-start.ts'
import type { DroppedField, LearnedSpan, MaskPolicy, Message, Rendered, TextSpan } from './messages.ts'

/** What finding learned spans needs besides the conversation. */
export interface SpanSettings extends TokenTexts {
  policy?: MaskPolicy | undefined
}

/** Everything the parts of the search share for one conversation. */
interface Search {
  readonly beginning: RenderBeginning
  readonly options: RenderOptions
  readonly ownership: Ownership
  readonly facts: TemplateFacts
  readonly stopTokens: readonly string[]
  readonly policy: MaskPolicy
}

/**
 * Renders a conversation and finds the part of each learned message that a model should learn: from where it would
 * begin to write when served to behind the token that stops it. See docs/masks.md.
 */
export function renderWithSpans(
  template: ChatTemplate,
  conversation: RenderOptions,
  settings: SpanSettings,
): RenderedSpans {
  return spanRenderer(template, conversation, settings)(conversation.messages)
}

/** A conversation's text, what is learned of it, and what the template left out of the messages. */
export interface RenderedSpans {
  rendered: Rendered
  spans: LearnedSpan[]
  dropped: DroppedField[]
}

/**
 * The same for several beginnings of one conversation, which is prepared once.
 *
 * @returns  takes a beginning of the messages, which may differ in `train` only
 */
export function spanRenderer(
  template: ChatTemplate,
  conversation: RenderOptions,
  { policy = {}, ...settings }: SpanSettings,
): (messages: readonly Message[]) => RenderedSpans {
  const bosToken = settings.bosToken ?? conversation.bosToken
  const eosToken = settings.eosToken ?? conversation.eosToken
  const tokens: TokenTexts = { bosToken, eosToken, specialTokens: settings.specialTokens }
  // A text to learn from ends with an answer, not with the question for one.
  const now = conversation.now ?? new Date()
  const whole: RenderOptions = { ...conversation, bosToken, eosToken, now, addGenerationPrompt: false }
  const beginning = template.prepare(whole)
  return (messages) => {
    const options = { ...whole, messages }
    const rendered = beginning(messages.length, false)
    const ownership = ownershipOf(rendered)
    const dropped = droppedFields(messages, ownership)
    if (policy.trainOnInput) return { rendered, spans: everything(ownership, options), dropped }
    const facts = templateFacts(template, tokens, options)
    const stopTokens = facts.candidates
    const search: Search = { beginning, options, ownership, facts, stopTokens, policy }
    const marked = template.hasGeneration
      ? findMarkedSpans(rendered, ownership, messages, stopTokens)
      : new Map<number, LearnedSpan>()
    const spans = learnedMessages(messages, policy).flatMap((message) => {
      const found = marked.get(message)
      if (found !== undefined) return finishSpan(search, found, stopStartOf(search, found))
      return findSpan(search, message)
    })
    // What was learned of such a message is not what it says; a border in doubt stays in doubt.
    for (const span of spans)
      if (isCertain(span) && dropped.some(({ message }) => message === span.message)) span.status = 'dropped'
    return { rendered, spans: spans.toSorted((left, right) => left.start - right.start), dropped }
  }
}

function isCertain({ status }: LearnedSpan): boolean {
  return status === 'marked' || status === 'proved' || status === 'aligned'
}

/** The learned spans alone; `renderWithSpans` gives the text as well. */
export function findLearnedSpans(
  template: ChatTemplate,
  conversation: RenderOptions,
  settings: SpanSettings,
): LearnedSpan[] {
  const isTemplate = isObject(template) && typeof template.prepare === 'function'
  checkArgument('template', template, isTemplate, 'what parseChatTemplate gives')
  checkObject('conversation', conversation)
  checkMessages('messages', conversation.messages)
  checkObject('settings', settings)
  for (const [place, given] of Object.entries({ conversation, settings })) {
    checkOptionalText(`${place}.bosToken`, given.bosToken)
    checkOptionalText(`${place}.eosToken`, given.eosToken)
  }
  checkList('settings.specialTokens', settings.specialTokens ?? [], isText, 'a text')
  checkOptions('settings.policy', settings.policy)
  return renderWithSpans(template, conversation, settings).spans
}

/** One span over the whole text, without the messages that are never learned. */
function everything({ text, owned }: Ownership, { messages }: RenderOptions): LearnedSpan[] {
  if (text === '') return []
  const span = { start: 0, end: text.length }
  const holes = owned.filter((segment) => messages[segment.message]?.train === false)
  const ranges = punch([span], holes)
  const learned: LearnedSpan = { ...span, message: messages.length - 1, status: 'proved' }
  return [holes.length > 0 ? { ...learned, ranges } : learned]
}

function findSpan(search: Search, message: number): LearnedSpan[] {
  const turn = { ...search, message }
  const found = findTurnStart(turn)
  if (found === undefined) return []
  const { end, stopToken, stopStart } = findTurnEnd(turn, found.start)
  const start = search.policy.includeHeader ? headerStart(search, found.start, found.lowest) : found.start
  const saysNothing = search.ownership.contentOf(message).length === 0
  if (start > end || (start === end && !saysNothing)) return []
  const span: LearnedSpan = {
    message,
    start,
    end,
    status: stopToken === undefined ? 'no-stop' : found.status,
  }
  if (stopToken !== undefined) span.stopToken = stopToken
  return finishSpan(search, span, stopStart ?? end)
}

/** The beginning of the header before a turn: where the generation prompt begins that ends at its start. */
function headerStart({ ownership, facts }: Search, start: number, lowest: number): number {
  const { text } = ownership
  const header = facts.generationPrompt
  for (let length = header.length; length > 0; length -= 1) {
    const at = start - length
    if (at >= lowest && text.startsWith(header.slice(0, length), at)) return at
  }
  return start
}

/** Applies what the policy adds at the end, and takes out what it, or another message, does not give to learn. */
function finishSpan({ ownership, policy }: Search, span: LearnedSpan, stopStart: number): LearnedSpan[] {
  const { message } = span
  let { end } = span
  const newline = { start: end, end: end + 1 }
  const hasNewline = ownership.text.charAt(end) === '\n' && ownership.isLiteral(newline)
  if (policy.includeTrailingNewline && span.stopToken !== undefined && hasNewline) end += 1
  const whole: TextSpan = { start: span.start, end }
  const holes = [
    ...foreignHoles(ownership, message, whole),
    ...(policy.thinking === false ? thinkingHoles(ownership, message, whole) : []),
    ...(policy.toolCalls === false ? toolCallHoles(ownership, message, whole, stopStart) : []),
  ]
  const base = span.ranges ?? [whole]
  if (holes.length === 0 && span.ranges === undefined) return [{ ...span, end }]
  const ranges = punch(base, holes)
  const says = ranges.some((range) => range.start < stopStart)
  // Nothing is left but the stop token: a turn of tool calls that are not to be learned.
  if (!says && stopStart > span.start) return []
  return [{ ...span, end, ranges }]
}

function stopStartOf({ ownership }: Search, { start, end, stopToken }: LearnedSpan): number {
  if (stopToken === undefined) return end
  const at = ownership.text.slice(start, end).lastIndexOf(stopToken)
  return at === -1 ? end : start + at
}
