import { createRandom } from '../../../random.ts'
import type { Parameter } from '../parameters.ts'
import type { WeightStore } from './weight-store.ts'

/**
 * Fresh weights: matrices normal with the configuration's standard deviation, gains one, biases zero, as transformers
 * initialises these architectures.
 */
export function openRandomStore(
  parameters: readonly Parameter[],
  standardDeviation: number,
  seed: number,
): WeightStore {
  const normal = createNormal(seed)
  const ones = new Set(parameters.flatMap(({ fresh, parts }) => (fresh === 'ones' ? parts : [])))
  return {
    dtype: 'F32',
    repeats: false,
    dtypeOf: () => 'F32',
    async part({ rows }, columns) {
      const data = Float32Array.from({ length: rows * columns }, () => standardDeviation * normal())
      return { data, dtype: 'F32', rows }
    },
    async values(part) {
      return new Float32Array(part.rows).fill(ones.has(part) ? 1 : 0)
    },
  }
}

/** Standard normal numbers by the method of Box and Muller (1958). */
function createNormal(seed: number): () => number {
  const random = createRandom(seed)
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
