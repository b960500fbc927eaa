import { createRandom } from '../../random.ts'
import type { Slot } from './slots.ts'
import type { WeightStore } from './weight-store.ts'

/**
 * Fresh weights: matrices normal with the configuration's standard deviation, norms one, biases zero, as transformers
 * initialises these architectures.
 */
export function openRandomStore(
  slots: readonly Slot[],
  standardDeviation: number,
  seed: number,
): WeightStore {
  const normal = createNormal(seed)
  const columnsOf = new Map(slots.flatMap(({ parts, columns }) => parts.map(({ name }) => [name, columns])))
  return {
    dtype: 'F32',
    has: (name) => columnsOf.has(name),
    async part(_, rows, columns) {
      const data = Float32Array.from({ length: rows * columns }, () => standardDeviation * normal())
      return { data, dtype: 'F32', rows }
    },
    async values(name, [rows]) {
      return new Float32Array(rows).fill(name.endsWith('.bias') ? 0 : 1)
    },
  }
}

/** Standard normal numbers by the method of Box and Muller (1958). */
function createNormal(seed: number): () => number {
  const random = createRandom(seed)
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
