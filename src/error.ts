import { plural } from './plural.ts'

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
    const all = 'place' in problems ? [problems] : firstOf(problems)
    super(all.map(describeProblem).join('\n'), { cause: options.cause })
    this.problems = all
    this.exitCode = options.exitCode ?? 2
  }
}

/** More than anybody reads at once; a file of thousands of wrong keys makes as many. */
const mostProblems = 100

function firstOf(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= mostProblems) return problems
  const more = plural(problems.length - mostProblems, 'more problem')
  return [...problems.slice(0, mostProblems), { place: 'and', found: more }]
}

/** `place: found; expected …. Cure.` in one line; line breaks of paths and of what was found are written out. */
export function describeProblem({ place, found, expected, cure }: Problem): string {
  const expectation = expected === undefined ? '' : `; expected ${expected}`
  return `${place}: ${found}${expectation}.${cure === undefined ? '' : ` ${cure}`}`.replaceAll(
    /[\r\n]/g,
    (character) => (character === '\n' ? '\\n' : '\\r'),
  )
}

/** Wraps any thrown value, so that a caller of a fallible API can read `message` without `any`. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The most that a message shows of a value. */
const shownCharacters = 200

/** A value of a file as JSON writes it, at most 200 characters of it, however large or deep it is. */
export function quoteValue(value: unknown): string {
  let text = ''
  const isFull = (): boolean => text.length > shownCharacters
  const write = (part: unknown): void => {
    if (typeof part === 'string') text += JSON.stringify(part.slice(0, shownCharacters + 1))
    else if (Array.isArray(part)) {
      text += '['
      for (let i = 0; i < part.length && !isFull(); i += 1) {
        if (i > 0) text += ', '
        write(part[i])
      }
      text += ']'
    } else if (typeof part === 'object' && part !== null && !isOneValue(part)) {
      text += '{'
      let separator = ''
      for (const key in part) {
        if (isFull()) break
        text += separator
        write(key)
        text += ': '
        write(Reflect.get(part, key))
        separator = ', '
      }
      text += '}'
    } else text += part === undefined ? 'nothing' : String(part)
  }
  write(value)
  return clipText(text)
}

/** Whether an object stands for one value, which it says itself, such as a float that keeps its form. */
function isOneValue(object: object): boolean {
  return typeof Reflect.get(object, 'toJSON') === 'function'
}

/** Names one after the other, at most eight of them, each at most 60 characters long. */
export function listNames(names: readonly string[], most = 8): string {
  const shown = names.slice(0, most).map((name) => clipText(name, 60))
  return `${shown.join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`
}

/** A noun with its article: `a number`, `an owner/name`. */
export function withArticle(noun: string): string {
  return `${/^\W*[aeio]/i.test(noun) ? 'an' : 'a'} ${noun}`
}

/** The beginning of a text; half a surrogate pair does not end it. */
export function clipText(text: string, limit = shownCharacters): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
