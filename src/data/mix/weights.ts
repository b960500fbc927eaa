import { FettleError } from '../../error.ts'
import { sourceName, type DataSource } from '../row-options.ts'

/**
 * The weights, where the sources have one; undefined for one source after the other.
 *
 * @throws FettleError where only some have one
 */
export function weightsOf(sources: readonly DataSource[]): number[] | undefined {
  const weights = sources.flatMap(({ weight }) => weight ?? [])
  if (weights.length === 0) return undefined
  const without = sources.find(({ weight }) => weight === undefined)
  if (without !== undefined)
    throw new FettleError({
      place: `data: ${sourceName(without)}`,
      found: 'no weight beside sources that have one',
      expected: 'a weight on every source, or on none',
    })
  const wrong = sources.find(({ weight = 0 }) => !(weight > 0 && weight < Number.POSITIVE_INFINITY))
  if (wrong !== undefined)
    throw new FettleError({
      place: `data: ${sourceName(wrong)}`,
      found: `weight ${wrong.weight}`,
      expected: 'a number above 0',
    })
  return weights
}
