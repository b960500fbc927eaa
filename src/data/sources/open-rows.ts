import { FettleError, messageOf, quoteValue } from '../../error.ts'
import { isRows, type GivenRows } from '../row-options.ts'

/**
 * The rows that a program holds or makes, one after the other; a function is called for them.
 *
 * @param name  what errors call them
 * @throws FettleError that names the row at which the program's own code failed
 */
export async function* openRows(rows: GivenRows, name: string): AsyncGenerator<unknown> {
  let row = 0
  const failed = (error: unknown): FettleError =>
    error instanceof FettleError
      ? error
      : new FettleError(
          {
            place: `${name}#${row}`,
            found: `rows threw: ${messageOf(error)}`,
            expected: 'a row, or the end',
          },
          { cause: error },
        )
  let iterator: AsyncIterator<unknown> | Iterator<unknown>
  try {
    const values: unknown = typeof rows === 'function' ? await rows() : rows
    if (typeof values === 'function' || !isRows(values))
      throw new FettleError({
        place: `${name}: rows`,
        found: `a function that returned ${quoteValue(values)}`,
        expected: 'rows: a list, or an iterable or asynchronous iterable of objects',
      })
    iterator = iteratorOf(values as Iterable<unknown> | AsyncIterable<unknown>)
  } catch (error) {
    throw failed(error)
  }
  let isOpen = true
  try {
    for (;;) {
      let next: IteratorResult<unknown>
      try {
        next = await iterator.next()
      } catch (error) {
        isOpen = false
        throw failed(error)
      }
      if (next.done === true) {
        isOpen = false
        return
      }
      yield await next.value
      row += 1
    }
  } finally {
    if (isOpen) await iterator.return?.()
  }
}

function iteratorOf(
  values: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncIterator<unknown> | Iterator<unknown> {
  return Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]()
}

/** Whether rows can be gone through a second time: lists and functions can, streams cannot. */
export function canRepeat(rows: GivenRows): boolean {
  if (typeof rows === 'function') return true
  return Symbol.iterator in rows ? (rows[Symbol.iterator]() as unknown) !== rows : !('next' in rows)
}
