import { createNumpyRandom } from './numpy-random.ts'

/** When mixing ends: with the first source that has no more rows, or when each was read to its end, short ones again or once only. */
export const stoppingStrategies = [
  'first_exhausted',
  'all_exhausted',
  'all_exhausted_without_replacement',
] as const

/** When mixing ends, by the names of datasets. */
export type StoppingStrategy = (typeof stoppingStrategies)[number]

/** How sources are mixed. */
export interface InterleaveOptions {
  /** How often each source is drawn, in relation to the others. */
  weights: readonly number[]
  seed: number
  stoppingStrategy: StoppingStrategy
}

/**
 * Draws the next item of one source after the other at random. The order is that of
 * `datasets.interleave_datasets(probabilities, seed, stopping_strategy)`, for the same seed and weights that sum to 1.
 *
 * @param open  begins a source, which has items or throws; `again` is true where it was read to its end before
 */
export async function* interleave<T>(
  open: (source: number, again: boolean) => AsyncIterator<T>,
  { weights, seed, stoppingStrategy }: InterleaveOptions,
): AsyncGenerator<T> {
  const draw = createDraw(weights, seed)
  const sources: (AsyncIterator<T> | undefined)[] = weights.map((_, source) => open(source, false))
  const exhausted = weights.map(() => false)
  const isDone = () =>
    stoppingStrategy === 'first_exhausted' ? exhausted.some(Boolean) : exhausted.every(Boolean)
  try {
    // One item of each is read ahead: that tells which is the last one.
    const next: IteratorResult<T>[] = []
    for (const [source, iterator] of sources.entries()) {
      next[source] = (await iterator?.next()) ?? { done: true, value: undefined }
    }
    while (!isDone()) {
      const source = draw()
      const { done, value } = next[source]
      if (done === true) continue
      yield value
      next[source] = (await sources[source]?.next()) ?? { done: true, value: undefined }
      if (next[source].done !== true) continue
      exhausted[source] = true
      sources[source] = undefined
      if (stoppingStrategy !== 'all_exhausted' || isDone()) continue
      const again = open(source, true)
      sources[source] = again
      next[source] = await again.next()
    }
  } finally {
    for (const iterator of sources) await iterator?.return?.()
  }
}

/** Numbers of sources, each drawn as often as its weight says: numpy's `rng.choice(len(weights), p=weights)`. */
function createDraw(weights: readonly number[], seed: number): () => number {
  const random = createNumpyRandom(seed)
  let sum = 0
  const sums = weights.map((weight) => (sum += weight))
  const borders = sums.map((part) => part / sum)
  return () => {
    const drawn = random.double()
    return borders.findIndex((border) => drawn < border)
  }
}
