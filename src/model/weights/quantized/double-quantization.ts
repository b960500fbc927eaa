import { blockMaxima, dynamicMap, fourBitBlock, readWeight } from '../../../engine/index.ts'
import type { Parameter } from '../parameters.ts'
import { isProjection } from '../parameters.ts'
import type { WeightStore } from '../stores/weight-store.ts'

/** Scales that share a scale. */
export const nestedBlock = 256

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
  const absmax = blockMaxima(values)
  const { scales } = roundScales(absmax)
  scales.forEach((scale, block) => {
    const factor = absmax[block] === 0 ? 1 : scale / absmax[block]
    const from = block * fourBitBlock
    const end = Math.min(from + fourBitBlock, values.length)
    for (let k = from; k < end; k += 1) values[k] *= factor
  })
}

/** Scales of blocks in 8 bits: scale = map[code] · nested + offset, with one `nested` for 256 of them and one `offset` for all. */
export interface RoundedScales {
  codes: Uint8Array
  nested: Float32Array
  offset: number
  /** What they stand for. */
  scales: Float64Array
}

/** Rounds the scales of a matrix's blocks to 8 bits. */
export function roundScales(absmax: Float32Array): RoundedScales {
  const offset = Math.fround(absmax.reduce((sum, value) => sum + value, 0) / absmax.length)
  const map = nestedNumbers()
  const codes = new Uint8Array(absmax.length)
  const nested = new Float32Array(Math.ceil(absmax.length / nestedBlock))
  const scales = new Float64Array(absmax.length)
  nested.forEach((_, group) => {
    const first = group * nestedBlock
    const distances = absmax.subarray(first, first + nestedBlock).map((value) => value - offset)
    const most = distances.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
    nested[group] = most
    distances.forEach((distance, i) => {
      const code = nearest(map, most === 0 ? 0 : distance / most)
      codes[first + i] = code
      scales[first + i] = Math.fround(map[code] * most) + offset
    })
  })
  return { codes, nested, offset, scales }
}

let made: Float32Array | undefined

/** The 256 numbers of bitsandbytes' 8 bits, ascending. */
export function nestedNumbers(): Float32Array {
  return (made ??= dynamicMap(true))
}

/** The place of the nearest number. */
function nearest(map: Float32Array, value: number): number {
  let [low, high] = [0, map.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (map[middle] <= value) low = middle
    else high = middle
  }
  return value - map[low] <= map[high] - value ? low : high
}
