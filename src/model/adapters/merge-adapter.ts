import { createTape } from '../../engine/tape.ts'
import type { AdaptedSlot } from './adapted-slots.ts'
import { adaptedSlots } from './adapted-slots.ts'
import type { ModelState } from '../model-state.ts'
import { freeze, setFrozen, slotTensor } from '../model-state.ts'
import { allSlots } from '../weights/slots.ts'

/**
 * W ← W + scaling · B A for each adapted module, computed in float32 and rounded once; then the model has no adapter.
 */
export async function mergeAdapter(state: ModelState): Promise<void> {
  const { adapter } = state
  if (!adapter) return
  const merged = new Map<string, Float32Array>()
  for (const adapted of adaptedSlots(state, adapter.modules))
    merged.set(adapted.slot.key, await mergedValues(state, adapted))
  await freeze(state)
  for (const slot of allSlots(state.slots)) {
    const values = merged.get(slot.key)
    if (values) await setFrozen(state, slot, values)
  }
  state.adapter = null
  // Their tables have the trained rows already.
  state.tokenRows = null
}

async function mergedValues(
  state: ModelState,
  { slot, rows, totalRank, maxRank, parts }: AdaptedSlot,
): Promise<Float32Array> {
  const { engine, trainable } = state
  const loraA = trainable?.byKey.get(`${slot.key}.loraA`)
  const loraB = trainable?.byKey.get(`${slot.key}.loraB`)
  if (!loraA || !loraB) throw new Error(`slot ${slot.key} has no adapter`)
  const a = (await engine.read(loraA.tensor)) as Float32Array
  const b = (await engine.read(loraB.tensor)) as Float32Array
  // y = x Wᵀ + residual with x = the scaled B, block by block [N, ΣR], and W = Aᵀ [K, ΣR].
  const scaledB = new Float32Array(rows * totalRank)
  for (const { firstRow, rows: outputs, firstRank, adapter } of parts) {
    if (!adapter) continue
    for (let row = firstRow; row < firstRow + outputs; row += 1)
      for (let i = 0; i < adapter.rank; i += 1)
        scaledB[row * totalRank + firstRank + i] = adapter.scaling * b[row * maxRank + i]
  }
  const transposedA = new Float32Array(slot.columns * totalRank)
  for (let i = 0; i < totalRank; i += 1)
    for (let k = 0; k < slot.columns; k += 1) transposedA[k * totalRank + i] = a[i * slot.columns + k]
  const x = engine.tensor('float32', [rows, totalRank], scaledB)
  const weight = engine.tensor('float32', [slot.columns, totalRank], transposedA)
  const shape = [rows, slot.columns]
  const residual = engine.tensor(
    'float32',
    shape,
    (await engine.read(slotTensor(state, slot))) as Float32Array,
  )
  const tape = createTape()
  const { y } = tape.apply(
    'linear',
    { x, weight, bias: null, residual, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [slot.columns, 0, 0] },
    { y: { dtype: 'float32', shape }, t: null },
  )
  if (!y) throw new Error('linear was recorded without its output')
  await engine.run(engine.compile(tape.commands(), [y]))
  const values = (await engine.read(y)) as Float32Array
  for (const tensor of [x, weight, residual]) engine.free(tensor)
  return values
}
