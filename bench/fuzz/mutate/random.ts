import { createRandom } from '../../../src/random.ts'

/** The choices of one case; the same for the same target, seed and number of the case. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** A whole number in [0, count). */
  below(count: number): number
  /** One of these. */
  of<T>(values: readonly T[]): T
}

export function randomOf(target: string, seed: number, number: number): Random {
  let hash = 2166136261
  for (const char of `${target} ${seed} ${number}`) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619)
  const next = createRandom(hash)
  const below = (count: number) => Math.floor(next() * count)
  return { next, below, of: (values) => values[below(values.length)] }
}
