/** The four parts of every message a user reads: where, what was there, what should be there, what to do. */
export interface Problem {
  /** File and line, tensor, option or message: `train.jsonl:41`. */
  place: string
  /** What was found there, as it stands: `role 'bot'`. */
  found: string
  /** What fettle can work with: `system, user, assistant or tool`. */
  expected?: string
  /** One sentence that says what to do. */
  cure?: string
}

/** An error that the user can act on; `exitCode` is 2 for wrong usage or input, 1 for a run that failed. */
export class FettleError extends Error {
  override readonly name = 'FettleError'
  readonly problems: readonly Problem[]
  readonly exitCode: 1 | 2

  constructor(problems: Problem | readonly Problem[], options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    const all = 'place' in problems ? [problems] : problems
    super(all.map(describeProblem).join('\n'), { cause: options.cause })
    this.problems = all
    this.exitCode = options.exitCode ?? 2
  }
}

/** `place: found; expected …. Cure.` in one line. */
export function describeProblem({ place, found, expected, cure }: Problem): string {
  const expectation = expected === undefined ? '' : `; expected ${expected}`
  return `${place}: ${found}${expectation}.${cure === undefined ? '' : ` ${cure}`}`
}

/** Wraps any thrown value, so that a caller of a fallible API can read `message` without `any`. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
