import type { z } from 'zod'
import { clipText, FettleError, listNames, quoteValue, type Problem } from '../../error.ts'
import { expectedBy } from '../../schema-issue.ts'
import { isJsonObject, type JsonObject } from '../json/index.ts'
import { plural } from '../../plural.ts'

/** What fettle knows of the keys of a file that others write. A key that stands nowhere here is named as not read. */
export interface ForeignKeys<Obeyed extends z.ZodObject = z.ZodObject> {
  /** Keys that it obeys, with the defaults of the class that writes the file. */
  obeyed: Obeyed
  /** Keys that change nothing of what it computes. */
  harmless: readonly string[]
  /** Keys that change results and that it does not obey; what is also in `obeyed` or `harmless` is not looked for here. */
  unobeyed?: Readonly<Record<string, UnobeyedKey>>
  /** The same of objects in the file, by their key; what they hold of `obeyed` is read with the file. */
  within?: Readonly<Record<string, ForeignKeys>>
  /** The same of the objects in a list, or in an object of which any key is known. */
  each?: ForeignKeys
}

/** A key that fettle does not obey. */
export interface UnobeyedKey {
  /** Whether with this value the file asks for what fettle does anyway. */
  isHarmless: (value: unknown, file: JsonObject) => boolean
  /** What fettle can work with: `false`, `the values of every layer alike`. */
  expected: string
  /** One sentence that says what to do. */
  cure?: string
  /** `stop` (default): reading ends with an error. `notice`: it matters only to some of what can be done with the file. */
  severity?: 'stop' | 'notice'
}

/** What was read of a file. */
export interface ForeignValues<T> {
  values: T
  /** What to tell the user: keys that nothing reads, values that are not obeyed. */
  notices: readonly Problem[]
}

/**
 * Reads the keys of a file that others made.
 *
 * @param raw    the file's object
 * @param place  the file, for messages
 * @throws FettleError that lists every value that its key cannot have, and every key that would change results
 */
export function readForeign<Obeyed extends z.ZodObject>(
  keys: ForeignKeys<Obeyed>,
  raw: JsonObject,
  place: string,
): ForeignValues<z.output<Obeyed>> {
  const unread: string[] = []
  const stops: Problem[] = []
  const notices: Problem[] = []
  const classify = (known: ForeignKeys, object: JsonObject, path: string): void => {
    for (const [key, value] of Object.entries(object)) {
      const inner = known.each ?? entryOf(known.within, key)
      if (inner?.each && Array.isArray(value)) classify(inner, { ...value }, `${path}${key}.`)
      if (inner && isJsonObject(value)) classify(inner, value, `${path}${key}.`)
      if (inner || Object.hasOwn(known.obeyed.shape, key) || known.harmless.includes(key)) continue
      const unobeyed = entryOf(known.unobeyed, key)
      if (!unobeyed) unread.push(`${path}${key}`)
      else if (!unobeyed.isHarmless(value, raw)) {
        const { expected, cure, severity = 'stop' } = unobeyed
        const found = `${clipText(path + key)}: ${quoteValue(value)}`
        ;(severity === 'stop' ? stops : notices).push({ place, found, expected, ...(cure && { cure }) })
      }
    }
  }
  classify(keys, raw, '')
  const { data, error } = keys.obeyed.safeParse(raw)
  const problems = [...(error?.issues.map((issue) => asProblem(issue, raw, place)) ?? []), ...stops]
  if (problems.length > 0 || data === undefined) throw new FettleError(firstOf(problems, place))
  if (unread.length > 0)
    notices.push({ place, found: `keys that fettle does not read: ${listNames(unread)}` })
  return { values: data, notices }
}

/** Problems that are shown of one file. */
const shownProblems = 10

function firstOf(problems: readonly Problem[], place: string): Problem[] {
  const left = problems.length - shownProblems
  return left <= 0
    ? [...problems]
    : [...problems.slice(0, shownProblems), { place, found: `${plural(left, 'more value')} like these` }]
}

/** For `isHarmless`: one of these values. */
export function isOneOf(...values: readonly unknown[]): (value: unknown) => boolean {
  return (value) => values.includes(value)
}

function entryOf<T>(entries: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return entries && Object.hasOwn(entries, key) ? entries[key] : undefined
}

function asProblem(issue: z.core.$ZodIssue, raw: JsonObject, place: string): Problem {
  const value = issue.path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    raw,
  )
  return {
    place,
    found: `${clipText(issue.path.join('.'))}: ${quoteValue(value)}`,
    expected: expectedBy(issue),
  }
}
