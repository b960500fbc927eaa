import type { Ownership } from './ownership.ts'
import type { MaskPolicy, Message, TextSpan } from './messages.ts'

/** Whether each message is learned: per-message flags first, then the policy. */
export function learnedMessages(messages: readonly Message[], { learn = 'all' }: MaskPolicy): number[] {
  const lastAssistant = messages.findLastIndex((message) => message.role === 'assistant')
  return messages.flatMap((message, index) => {
    if (message.train !== undefined) return message.train ? [index] : []
    if (message.role !== 'assistant') return []
    return learn === 'all' || index === lastAssistant ? [index] : []
  })
}

/** Takes the holes out of the spans. */
export function punch(spans: readonly TextSpan[], holes: readonly TextSpan[]): TextSpan[] {
  let left: TextSpan[] = spans.filter(({ start, end }) => start < end)
  for (const hole of holes) {
    left = left.flatMap(({ start, end }) => {
      if (hole.end <= start || hole.start >= end || hole.start >= hole.end) return [{ start, end }]
      const parts = [
        { start, end: Math.min(end, hole.start) },
        { start: Math.max(start, hole.end), end },
      ]
      return parts.filter((part) => part.start < part.end)
    })
  }
  return left
}

const thinkingFields = /^(?:reasoning_content|reasoning|thinking|thought)(?:\.|$)/

/** The thinking of a message: fields of that name, and `<think>…</think>` with the white space that follows. */
export function thinkingHoles({ text, contentOf }: Ownership, message: number, span: TextSpan): TextSpan[] {
  const holes: TextSpan[] = contentOf(message)
    .filter(({ field, start, end }) => thinkingFields.test(field) && start >= span.start && end <= span.end)
    .map(({ start, end }) => ({ start, end }))
  const inside = text.slice(span.start, span.end)
  const opened = inside.indexOf('<think>')
  const closed = inside.lastIndexOf('</think>')
  if (closed !== -1) {
    const space = /^\s*/.exec(inside.slice(closed + '</think>'.length))?.[0].length ?? 0
    // The prompt may have supplied the opening tag: then the thinking begins with the span.
    const start = opened === -1 || opened > closed ? 0 : opened
    holes.push({ start: span.start + start, end: span.start + closed + '</think>'.length + space })
  }
  return holes
}

/** The tool calls of a message with the template's words around them, up to the stop token. */
export function toolCallHoles(
  { contentOf }: Ownership,
  message: number,
  span: TextSpan,
  stopStart: number,
): TextSpan[] {
  const own = contentOf(message).filter(({ start, end }) => start >= span.start && end <= span.end)
  const isCall = (field: string): boolean => /^(?:tool_calls|function_call)(?:\.|$)/.test(field)
  const first = own.findIndex(({ field }) => isCall(field))
  if (first === -1) return []
  const before = own[first - 1]
  const behind = own.slice(first).find(({ field }) => !isCall(field))
  return [{ start: before?.end ?? span.start, end: behind?.start ?? stopStart }]
}

/** Characters of other messages inside a span. */
export function foreignHoles({ owned }: Ownership, message: number, { start, end }: TextSpan): TextSpan[] {
  return owned.filter((segment) => segment.message !== message && segment.end > start && segment.start < end)
}
