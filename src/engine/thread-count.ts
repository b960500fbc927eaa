import { FettleError, quoteValue } from '../error.ts'

/** How many threads an engine may be asked for. */
export const mostThreads = 1024

/** The number of threads that is asked for, by an option or by FETTLE_THREADS; undefined where none is. */
export function askedThreads(given: number | undefined): number | undefined {
  if (given !== undefined) return checkedThreads('threads', given, given)
  const text = globalThis.process?.env['FETTLE_THREADS']
  return text === undefined || text === '' ? undefined : checkedThreads('FETTLE_THREADS', Number(text), text)
}

function checkedThreads(place: string, threads: number, found: unknown): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= mostThreads) return threads
  throw new FettleError({
    place,
    found: quoteValue(found),
    expected: `a whole number from 1 to ${mostThreads}`,
  })
}
