import { FettleError, type Problem } from '../error.ts'
import type { DroppedField, LearnedSpan, MaskPolicy } from './messages.ts'

/** Characters of a turn that an error shows from each of its ends. */
const EXCERPT_LENGTH = 60

function excerpt(text: string, { start, end }: LearnedSpan): string {
  const turn = text.slice(start, end)
  const shown =
    turn.length <= 2 * EXCERPT_LENGTH
      ? turn
      : `${turn.slice(0, EXCERPT_LENGTH)} … ${turn.slice(-EXCERPT_LENGTH)}`
  const before = text.slice(Math.max(0, start - EXCERPT_LENGTH / 2), start)
  const behind = text.slice(end, end + EXCERPT_LENGTH / 2)
  return `${JSON.stringify(before).slice(0, -1)}⟦${JSON.stringify(shown).slice(1, -1)}⟧${JSON.stringify(behind).slice(1)}`
}

const doubts = {
  inferred: {
    found: 'where the answer begins is not sure',
    expected: "the template's generation prompt before it",
    cure: "Add {% generation %} to the template, or accept it with accept: ['inferred'].",
  },
  'no-stop': {
    found: 'no stop token ends the answer, so that the model would never learn to stop',
    expected: 'a stop token behind it',
    cure: "Use a template that ends its turns, or accept it with accept: ['no-stop'].",
  },
} as const

/** What was rendered, and what of it the policy accepts. */
interface Rendering {
  text: string
  place: string
  policy?: MaskPolicy | undefined
  /** What the template left out. */
  dropped?: readonly DroppedField[] | undefined
}

/**
 * Stops, with an error that shows the turn, at spans whose borders are doubtful and at fields that the template left out,
 * where the policy does not accept them.
 */
export function checkSpans(
  spans: readonly LearnedSpan[],
  { text, place, policy = {}, dropped = [] }: Rendering,
): void {
  const lost = policy.accept?.includes('dropped') === true ? [] : dropped
  const losses = lost.map(({ message, field }): Problem => ({
    place,
    found: `message ${message}: the chat template leaves out its ${field}`,
    expected: 'a template that writes what is to be learned',
    cure:
      field === 'tool_calls'
        ? "Use a template that writes tool calls (chat_template: FILE.jinja), or accept it with accept: ['dropped']."
        : "Use a template that writes it, or accept it with accept: ['dropped'].",
  }))
  const doubtful = spans.flatMap((span): Problem[] => {
    const { status } = span
    if ((status !== 'inferred' && status !== 'no-stop') || policy.accept?.includes(status)) return []
    const { found, expected, cure } = doubts[status]
    return [{ place, found: `message ${span.message}: ${found}: ${excerpt(text, span)}`, expected, cure }]
  })
  const problems = [...losses, ...doubtful]
  if (problems.length > 0) throw new FettleError(problems)
}
