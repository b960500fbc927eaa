/** The four parts of every message a user reads: where, what was there, what should be there, what to do. */
export interface Finding {
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
  readonly findings: readonly Finding[]
  readonly exitCode: 1 | 2

  constructor(findings: Finding | readonly Finding[], options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    const all = 'place' in findings ? [findings] : findings
    super(all.map(describeFinding).join('\n'), { cause: options.cause })
    this.findings = all
    this.exitCode = options.exitCode ?? 2
  }
}

/** `place: found; expected …. Cure.` in one line. */
export function describeFinding({ place, found, expected, cure }: Finding): string {
  const expectation = expected === undefined ? '' : `; expected ${expected}`
  return `${place}: ${found}${expectation}.${cure === undefined ? '' : ` ${cure}`}`
}

/** Wraps any thrown value, so that a caller of a fallible API can read `message` without `any`. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
