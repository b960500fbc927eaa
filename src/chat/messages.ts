import type { TextSpan } from '../jinja/index.ts'

export type { TextSpan }

/** A message as chat templates receive it: OpenAI's keys, plus whatever else the template reads. */
export interface Message {
  role: string
  content?: string | ContentPart[] | null
  name?: string
  tool_calls?: unknown[]
  tool_call_id?: string
  reasoning_content?: string
  /** `false`: never learned; `true`: learned whatever the policy says. Not shown to the template. */
  train?: boolean
  [field: string]: unknown
}

/** Names that a message's thinking is passed under; the first is the one that most templates read. */
export const reasoningFields = ['reasoning_content', 'thinking', 'reasoning'] as const

/** A part of a message's content, where it is a list. */
export interface ContentPart {
  type: string
  text?: string
  [field: string]: unknown
}

/** Part of a rendered text; offsets are UTF-16. Without `message` the template itself wrote it. */
export interface Segment {
  start: number
  end: number
  message?: number
  /** Path inside the message: `content`, `role`, `tool_calls.0.function.name`. */
  field?: string
}

/** A text and, for each of its characters, who wrote it. The segments cover the text without gaps, in order. */
export interface Rendered {
  text: string
  segments: Segment[]
  /** What stood inside `{% generation %}`. */
  generationSpans: TextSpan[]
}

/** How the borders of a learned span were found; see docs/masks.md. */
export type SpanStatus = 'marked' | 'proved' | 'aligned' | 'inferred' | 'dropped' | 'no-stop'

/** A field of a message that the template left out. */
export interface DroppedField {
  message: number
  field: 'content' | 'tool_calls'
}

/** The learned part of one message, in UTF-16 offsets of the rendered text. */
export interface LearnedSpan extends TextSpan {
  message: number
  status: SpanStatus
  /** Present when characters of other messages are punched out of [start, end): what is left. */
  ranges?: TextSpan[]
  /** The stop token at the end of the span, where there is one. */
  stopToken?: string
}

/** Which messages are learned, and how much of each. */
export interface MaskPolicy {
  /** Assistant messages: `all` (default) or only the `last`. */
  learn?: 'all' | 'last'
  /** Learn every token of the conversation. */
  trainOnInput?: boolean
  /** Learn the role header before the answer too. */
  includeHeader?: boolean
  /** Learn the newline after the stop token too. */
  includeTrailingNewline?: boolean
  /** Learn tool calls that an assistant message makes (default true). */
  toolCalls?: boolean
  /** Learn the thinking of an assistant message (default true). */
  thinking?: boolean
  /** Accept spans of these doubtful statuses instead of stopping. */
  accept?: readonly ('dropped' | 'inferred' | 'no-stop')[]
}
