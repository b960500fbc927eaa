import { adapterName } from '../../peft/index.ts'
import type { LoraConfig } from '../../peft/index.ts'
import type { TrainableEntry } from '../state/trainable-set.ts'
import type { TensorSlice } from '../weights/tensor-slice.ts'
import { insertSlice } from '../weights/tensor-slice.ts'
import type { AdaptedParameter } from './adapted-parameters.ts'

/**
 * The numbers that A, B or the magnitudes of a module begin with, as the adapter's file has them.
 *
 * @param count  how many experts the slice is of; 1 but for experts
 */
export type InitialLora = (slice: TensorSlice, matrix: 'A' | 'B' | 'magnitude', count: number) => Float32Array

/** The stacked A [count · ΣR, K] and B [N, maxRank] of a parameter, and with DoRA its magnitudes [N]. */
export function loraEntries(
  adapted: AdaptedParameter,
  initial: InitialLora,
  { useDora }: Pick<LoraConfig, 'useDora'>,
): TrainableEntry[] {
  const { key, columns } = adapted.parameter
  const { count, rows, totalRank, maxRank, parts } = adapted
  const a: TensorSlice[] = []
  const b: TensorSlice[] = []
  for (const { stem, firstRow, rows: outputs, firstRank, adapter, outputs: transform } of parts) {
    if (!adapter) continue
    const { rank } = adapter
    const shape = [outputs, rank]
    a.push({
      name: adapterName(`${stem}.lora_A.weight`),
      shape: [count * rank, columns],
      offset: firstRank * columns,
      rows: count * rank,
      columns,
      stride: columns,
    })
    b.push({
      name: adapterName(`${stem}.lora_B.weight`),
      shape: transform?.fileShape(shape) ?? shape,
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
      for (const slice of slices) insertSlice(values, slice, initial(slice, matrix, count))
      return values
    },
  })
  const lora = [entry('A', [totalRank, columns], a), entry('B', [rows, maxRank], b)]
  return useDora ? [...lora, magnitudeEntry(adapted, initial)] : lora
}

/** Outputs without LoRA have a magnitude of 1 that is not trained. */
function magnitudeEntry(
  { parameter: { key }, rows, parts }: AdaptedParameter,
  initial: InitialLora,
): TrainableEntry {
  const slices = parts.flatMap(({ module, firstRow, rows: outputs, adapter, outputs: transform }) => {
    if (!adapter) return []
    const shape = [outputs]
    const name = adapterName(`${module}.lora_magnitude_vector`)
    const stored = transform && { transform, shape }
    return [{ name, shape, offset: firstRow, rows: outputs, columns: 1, stride: 1, stored }]
  })
  return {
    key: `${key}.magnitude`,
    shape: [rows],
    slices,
    decay: true,
    async initial() {
      const values = new Float32Array(rows).fill(1)
      for (const slice of slices) insertSlice(values, slice, initial(slice, 'magnitude', 1))
      return values
    },
  }
}
