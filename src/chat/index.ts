// From messages to a text that knows its authors, and from there to the part that a model learns.
// template runs chat templates so that each character has its author; mask finds the learned spans; check stops at doubtful ones.
// known-templates holds well-known templates for models that have none.
export { parseChatTemplate } from './template.ts'
export type { ChatTemplate, RenderBeginning, RenderedBeginning, RenderOptions } from './template.ts'
export type {
  ContentPart,
  DroppedField,
  LearnedSpan,
  MaskPolicy,
  Message,
  Rendered,
  Segment,
  SpanStatus,
  TextSpan,
} from './messages.ts'
export { reasoningFields } from './messages.ts'
export { renderWithSpans, spanRenderer, findLearnedSpans, type SpanSettings } from './learned-spans.ts'
export { findStopTokens, type TokenTexts } from './stop-tokens.ts'
export { checkSpans } from './check-spans.ts'
export { fitMessages } from './fit-messages.ts'
export { commonPrefixLength } from './ownership.ts'
export { splitPerTurn, type ConversationTurn } from './per-turn.ts'
export { chatFormats, type ChatFormat, type ChatFormatName } from './known-templates.ts'
