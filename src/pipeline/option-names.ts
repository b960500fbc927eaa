import { closestName } from '../closest-name.ts'
import { FettleError } from '../error.ts'
import type { Problem } from '../error.ts'

/** `maxNewTokens` as Python and Transformers.js spell it: `max_new_tokens`. */
export type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? First extends Lowercase<First>
    ? `${First}${SnakeCase<Rest>}`
    : `_${Lowercase<First>}${SnakeCase<Rest>}`
  : Name

/** Options that may be spelled as everywhere in fettle, or as in Transformers.js. */
export type EitherSpelling<T> = T & { [Name in keyof T & string as SnakeCase<Name>]?: T[Name] }

/**
 * Brings options to fettle's spelling, without those that are undefined or null.
 *
 * @param known  the names there are, in camelCase
 * @param place  whose options they are
 * @throws FettleError for names that are none, and for one that is given in both spellings
 */
export function camelCaseOptions<T extends object>(
  given: EitherSpelling<T>,
  known: readonly string[],
  place: string,
): T {
  const options = new Map<string, unknown>()
  const problems: Problem[] = []
  for (const [spelled, value] of Object.entries(given)) {
    const name = spelled.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (value === undefined || value === null) continue
    if (!known.includes(name)) problems.push(unknown(place, spelled, known))
    else if (options.has(name))
      problems.push({ place: `${place}: ${spelled}`, found: `${name} as well`, expected: 'one of the two' })
    options.set(name, value)
  }
  if (problems.length > 0) throw new FettleError(problems)
  return Object.fromEntries(options) as T
}

/** What options of Transformers.js that fettle has under another name are called here. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ['device', 'engine'],
  ['eos_token_id', 'stopTokenIds'],
])

function unknown(place: string, spelled: string, known: readonly string[]): Problem {
  const meant = elsewhere.get(spelled) ?? closestName(spelled, known)
  const asSpelled = (name: string) =>
    spelled.includes('_') ? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : name
  return {
    place: `${place}: ${spelled}`,
    found: 'an option that fettle does not have',
    ...(meant === undefined ? { expected: known.join(', ') } : { cure: `Did you mean ${asSpelled(meant)}?` }),
  }
}
