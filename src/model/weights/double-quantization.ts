import { fourBitBlock, readWeight } from '../../engine/index.ts'
import type { Parameter } from './parameters.ts'
import { isProjection } from './parameters.ts'
import type { WeightStore } from './weight-store.ts'

/** Scales that share a scale. */
const nestedBlock = 256

/**
 * The numbers of a store with the scales that 4 bits leave of them after double quantisation: each block of 64 is stretched so that its
 * largest magnitude is absmax' = map[code] · nested + offset, with `offset` the mean of a matrix's absmax, `nested` the largest distance
 * from it in 256 blocks, and the code of 8 bits whose number is nearest. Rounded to 4 bits they are then what bitsandbytes has with
 * bnb_4bit_use_double_quant.
 * Source: bitsandbytes 0.50, functional.py (quantize_4bit, create_dynamic_map)
 */
export function doublyQuantized(store: WeightStore, parameters: readonly Parameter[]): WeightStore {
  const projected = new Set(parameters.filter(isProjection).flatMap(({ parts }) => parts))
  return {
    ...store,
    isDoublyQuantized: true,
    async part(part, columns) {
      const stored = await store.part(part, columns)
      if (!projected.has(part)) return stored
      const data = await readWeight(columns, [stored])
      stretch(data)
      return { data, dtype: 'F32', rows: part.rows }
    },
  }
}

function stretch(values: Float32Array): void {
  const absmax = new Float32Array(Math.ceil(values.length / fourBitBlock))
  for (let i = 0; i < values.length; i += 1) {
    const block = Math.floor(i / fourBitBlock)
    absmax[block] = Math.max(absmax[block], Math.abs(values[i]))
  }
  const offset = Math.fround(absmax.reduce((sum, value) => sum + value, 0) / absmax.length)
  const map = dynamicMap()
  for (let first = 0; first < absmax.length; first += nestedBlock) {
    const distances = absmax.subarray(first, first + nestedBlock).map((value) => value - offset)
    const nested = distances.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    distances.forEach((distance, i) => {
      const block = first + i
      const scale = Math.fround(nearest(map, nested === 0 ? 0 : distance / nested) * nested) + offset
      const factor = absmax[block] === 0 ? 1 : scale / absmax[block]
      const from = block * fourBitBlock
      const end = Math.min(from + fourBitBlock, values.length)
      for (let k = from; k < end; k += 1) values[k] *= factor
    })
  }
}

let made: Float32Array | undefined

/** The 256 numbers of bitsandbytes' 8 bits, ascending: a sign, up to 7 zeros that are powers of ten, and what is left for the fraction. */
function dynamicMap(): Float32Array {
  if (made) return made
  const numbers = [0, 1]
  for (let i = 0; i < 7; i += 1) {
    const step = 0.9 / 2 ** i
    for (let j = 0; j < 2 ** i; j += 1) {
      const number = 10 ** (i - 6) * (0.1 + (j + 0.5) * step)
      numbers.push(number, -number)
    }
  }
  made = Float32Array.from(numbers).toSorted()
  return made
}

function nearest(map: Float32Array, value: number): number {
  let [low, high] = [0, map.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (map[middle] <= value) low = middle
    else high = middle
  }
  return value - map[low] <= map[high] - value ? map[low] : map[high]
}
