import { closestName } from '../../closest-name.ts'
import { FettleError, quoteValue } from '../../error.ts'
import { lossTypes, type Method } from '../options/index.ts'
import { plural } from '../../plural.ts'

type LossOf<M extends Method> = (typeof lossTypes)[M][number]

/**
 * The losses of a method that a run adds up, the default one where it names none.
 *
 * @throws FettleError for one that the method does not have
 */
export function lossTypesOf<M extends Method>(
  method: M,
  given: string | readonly string[] | undefined,
): LossOf<M>[] {
  const known: readonly string[] = lossTypes[method]
  const names = given === undefined ? known.slice(0, 1) : typeof given === 'string' ? [given] : [...given]
  for (const name of names) {
    if (known.includes(name)) continue
    const meant = closestName(name, known)
    throw new FettleError({
      place: 'loss_type',
      found: quoteValue(name),
      expected: `a loss of ${method}: ${known.join(', ')}`,
      ...(meant !== undefined && { cure: `Did you mean ${meant}?` }),
    })
  }
  return names as LossOf<M>[]
}

/**
 * The same where there is one.
 *
 * @throws FettleError for several
 */
export function lossTypeOf<M extends Method>(
  method: M,
  given: string | readonly string[] | undefined,
): LossOf<M> {
  const [name, ...others] = lossTypesOf(method, given)
  if (others.length === 0) return name
  throw new FettleError({
    place: 'loss_type',
    found: `${others.length + 1} losses`,
    expected: `one with method ${method}; only dpo adds several`,
  })
}

/**
 * What each loss is multiplied by; 1 where nothing is said.
 *
 * @throws FettleError where there are not as many as losses
 */
export function weightsOf(
  losses: readonly string[],
  given: number | readonly number[] | undefined,
): number[] {
  const weights = given === undefined ? losses.map(() => 1) : typeof given === 'number' ? [given] : [...given]
  if (weights.length === losses.length) return weights
  throw new FettleError({
    place: 'loss_weights',
    found: plural(weights.length, 'weight'),
    expected: `${losses.length}, one for each of loss_type`,
  })
}
