import { FettleError } from '../error.ts'
import type { ModelState } from './model-state.ts'
import { readSlot } from './model-state.ts'
import { modelSlots } from './slots.ts'

/**
 * Gives the embedding matrix (and an untied head) `size` rows, rounded up to a multiple; new rows are the mean of the
 * old ones, so that a new token starts as an average one and its logit is not an outlier (Hewitt 2021).
 *
 * @throws FettleError when the model has an adapter or is in training, whose tensors have the old shape
 */
export async function resizeEmbeddings(state: ModelState, size: number, multiple: number): Promise<void> {
  if (state.trainable)
    throw new FettleError({
      place: 'resizeTokenEmbeddings',
      found: 'a model with trainable parameters',
      expected: 'a call before addAdapter and before training',
    })
  const rows = Math.ceil(size / multiple) * multiple
  const { engine, config, slots } = state
  const old = config.vocabSize
  if (rows === old) return
  for (const slot of [slots.embed, ...(slots.head ? [slots.head] : [])]) {
    const values = await readSlot(state, slot)
    const { columns } = slot
    const resized = new Float32Array(rows * columns)
    resized.set(values.subarray(0, Math.min(rows, old) * columns))
    if (rows > old) {
      const mean = new Float64Array(columns)
      values.forEach((value, i) => {
        mean[i % columns] += value / old
      })
      for (let row = old; row < rows; row += 1) resized.set(mean, row * columns)
    }
    const frozen = state.frozen.get(slot.key)
    if (frozen) engine.free(frozen)
    state.frozen.set(
      slot.key,
      engine.weight(state.activation, columns, [{ data: resized, dtype: 'F32', rows }]),
    )
  }
  config.vocabSize = rows
  config.raw['vocab_size'] = rows
  Object.assign(slots, modelSlots(config))
  state.revision += 1
}
