import { adapterName } from '../../peft/index.ts'
import type { TrainableEntry } from '../state/trainable-set.ts'
import type { TensorSlice } from '../weights/tensor-slice.ts'
import { insertSlice } from '../weights/tensor-slice.ts'
import type { AdaptedParameter } from './adapted-parameters.ts'

/** The numbers that A or B of a module begins with, as the adapter's file has them. */
export type InitialLora = (slice: TensorSlice, matrix: 'A' | 'B') => Float32Array

/** The stacked A [ΣR, K] and B [N, maxRank] of a parameter. */
export function loraEntries(
  { parameter: { key, columns }, rows, totalRank, maxRank, parts }: AdaptedParameter,
  initial: InitialLora,
): TrainableEntry[] {
  const a: TensorSlice[] = []
  const b: TensorSlice[] = []
  for (const { module, firstRow, rows: outputs, firstRank, adapter, outputs: transform } of parts) {
    if (!adapter) continue
    const { rank } = adapter
    const shape = [outputs, rank]
    a.push({
      name: adapterName(`${module}.lora_A.weight`),
      shape: [rank, columns],
      offset: firstRank * columns,
      rows: rank,
      columns,
      stride: columns,
    })
    b.push({
      name: adapterName(`${module}.lora_B.weight`),
      shape,
      offset: firstRow * maxRank,
      rows: outputs,
      columns: rank,
      stride: maxRank,
      stored: transform && { transform, shape },
    })
  }
  const entry = (matrix: 'A' | 'B', shape: number[], slices: TensorSlice[]): TrainableEntry => ({
    key: `${key}.lora${matrix}`,
    shape,
    slices,
    decay: true,
    async initial() {
      const values = new Float32Array(shape[0] * shape[1])
      for (const slice of slices) insertSlice(values, slice, initial(slice, matrix))
      return values
    },
  })
  return [entry('A', [totalRank, columns], a), entry('B', [rows, maxRank], b)]
}
