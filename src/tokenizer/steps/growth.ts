import { FettleError } from '../../error.ts'

/**
 * What the steps of a tokenizer may make of a text: a million characters, or sixteen times as many as it has. Steps that each double
 * it would not end otherwise.
 *
 * @param length  of the text before
 * @param grown   afterwards
 * @throws FettleError that names the step
 */
export function checkGrowth(place: string, length: number, grown: number): void {
  if (grown <= Math.max(1_000_000, 16 * length)) return
  throw new FettleError({
    place,
    found: `${grown} characters in the place of ${length}`,
    expected: 'steps that leave a text about as long as it is',
  })
}
