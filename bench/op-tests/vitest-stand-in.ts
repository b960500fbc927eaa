// vitest's words as far as the op tests say them. vitest itself brings programs of its own for each platform; a bundle of the tests with
// these runs wherever there is a Node.
import { isDeepStrictEqual } from 'node:util'

interface Test {
  name: string
  run: () => unknown
}

const tests: Test[] = []
const path: string[] = []

type Table<T> = (name: string, body: (entry: T) => unknown) => void

/** `$name` and `%s` stand for the entry. */
const named = (name: string, entry: unknown): string =>
  name
    .replaceAll(/\$(\w+)/g, (_, key: string) => String((entry as Readonly<Record<string, unknown>>)[key]))
    .replaceAll(/%[is]/g, String(entry))

export function describe(name: string, body: () => unknown): void {
  path.push(name)
  body()
  path.pop()
}
describe.each =
  <T>(entries: readonly T[]): Table<T> =>
  (name, body) =>
    entries.forEach((entry) => describe(named(name, entry), () => body(entry)))

export function it(name: string, run: () => unknown): void {
  tests.push({ name: [...path, name].join(' > '), run })
}

export function expect(found: unknown, what = 'value') {
  const hold = (holds: boolean, wanted: string): void => {
    if (!holds) throw new Error(`${what}: ${String(found)}; expected ${wanted}`)
  }
  return {
    toBe: (wanted: unknown) => hold(Object.is(found, wanted), String(wanted)),
    toEqual: (wanted: unknown) => hold(isDeepStrictEqual(found, wanted), String(wanted)),
    toBeUndefined: () => hold(found === undefined, 'undefined'),
    toBeLessThanOrEqual: (wanted: number) => hold(Number(found) <= wanted, `at most ${wanted}`),
    toMatch: (wanted: RegExp) => hold(wanted.test(String(found)), String(wanted)),
    toThrow: (wanted: RegExp) => {
      try {
        ;(found as () => unknown)()
      } catch (error) {
        return hold(wanted.test(String(error)), String(wanted))
      }
      return hold(false, `an error ${String(wanted)}`)
    },
  }
}

/**
 * Runs what was described, and prints each that fails.
 *
 * @param only   of the names
 * @param every  one in so many, where all take too long
 */
export async function runTests(only: RegExp, every: number): Promise<{ passed: number; failed: number }> {
  let [passed, failed] = [0, 0]
  const chosen = tests.filter(({ name }) => only.test(name)).filter((_, i) => i % every === 0)
  for (const { name, run } of chosen)
    try {
      await run()
      passed += 1
    } catch (error) {
      failed += 1
      console.log(`FAILED ${name}: ${String(error).slice(0, 300)}`)
    }
  return { passed, failed }
}
