import type { Ownership } from './ownership.ts'
import type { LearnedSpan, Message, Rendered, TextSpan } from './messages.ts'

/**
 * The spans of `{% generation %}` blocks, by the message that speaks in them. A block that says nothing (an eos of
 * its own at the end) belongs to the message before it.
 */
export function findMarkedSpans(
  rendered: Rendered,
  ownership: Ownership,
  messages: readonly Message[],
  stopTokens: readonly string[],
): Map<number, LearnedSpan> {
  const parts = new Map<number, TextSpan[]>()
  const spans = rendered.generationSpans.filter(({ start, end }) => start < end)
  const assistants = messages.flatMap((message, index) => (message.role === 'assistant' ? [index] : []))
  // As many blocks as answers: then a block in which nobody speaks is the answer of its place.
  const byPlace = spans.length === assistants.length ? assistants : []
  let previous: number | undefined
  for (const [index, span] of spans.entries()) {
    const message = speakerIn(span, ownership, messages) ?? byPlace[index] ?? previous
    if (message === undefined) continue
    previous = message
    parts.set(message, [...(parts.get(message) ?? []), span])
  }
  return new Map([...parts].map(([message, own]) => [message, join(message, own, ownership, stopTokens)]))
}

function speakerIn(span: TextSpan, { owned }: Ownership, messages: readonly Message[]): number | undefined {
  const inside = owned.filter((segment) => segment.start >= span.start && segment.end <= span.end)
  return (inside.find((segment) => messages[segment.message]?.role === 'assistant') ?? inside[0])?.message
}

function join(
  message: number,
  spans: readonly TextSpan[],
  ownership: Ownership,
  stopTokens: readonly string[],
): LearnedSpan {
  const start = Math.min(...spans.map((span) => span.start))
  const end = Math.max(...spans.map((span) => span.end))
  const said = ownership.text.slice(start, end).trimEnd()
  const stopToken = stopTokens.find((token) => {
    const at = start + said.length - token.length
    return said.endsWith(token) && ownership.isLiteral({ start: at, end: at + token.length })
  })
  const isWhole = spans.every((span, index) => index === 0 || span.start === spans[index - 1]?.end)
  return {
    message,
    start,
    end,
    // A turn that never learns to stop is worth a question even where somebody marked it so.
    status: stopToken === undefined ? 'no-stop' : 'marked',
    ...(stopToken === undefined ? {} : { stopToken }),
    ...(isWhole ? {} : { ranges: spans.map(({ start: from, end: to }) => ({ start: from, end: to })) }),
  }
}
