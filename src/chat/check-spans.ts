import { FettleError, type Problem } from '../error.ts'
import type { LearnedSpan, MaskPolicy } from './messages.ts'

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

/** Stops, with an error that shows the turn, at spans whose borders are doubtful and not accepted by the policy. */
export function checkSpans(
  spans: readonly LearnedSpan[],
  { text, place, policy = {} }: { text: string; place: string; policy?: MaskPolicy | undefined },
): void {
  const problems = spans.flatMap((span): Problem[] => {
    const { status } = span
    if ((status !== 'inferred' && status !== 'no-stop') || policy.accept?.includes(status)) return []
    const { found, expected, cure } = doubts[status]
    return [{ place, found: `message ${span.message}: ${found}: ${excerpt(text, span)}`, expected, cure }]
  })
  if (problems.length > 0) throw new FettleError(problems)
}
