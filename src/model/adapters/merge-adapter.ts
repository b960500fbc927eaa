import { createTape } from '../../engine/index.ts'
import { readParameter, setFrozen } from '../state/frozen-weights.ts'
import type { ModelState } from '../state/model-state.ts'
import { setAdapter } from '../state/model-state.ts'
import { freeze } from '../state/train-state.ts'
import type { AdaptedParameter } from './adapted-parameters.ts'
import { adaptedParameters } from './adapted-parameters.ts'
import { freeTokenRows } from './token-rows.ts'

/**
 * W ← W + scaling · B A for each adapted module, computed in float32 and rounded once; then the model has no adapter.
 */
export async function mergeAdapter(state: ModelState): Promise<void> {
  const { adapter } = state
  if (!adapter) return
  const adapted = adaptedParameters(state, adapter.modules)
  const merged: Float32Array[] = []
  for (const each of adapted) merged.push(await mergedValues(state, each))
  await freeze(state)
  for (const [i, { parameter }] of adapted.entries()) await setFrozen(state, parameter, merged[i])
  // Tables have their trained rows already.
  freeTokenRows(state)
  setAdapter(state, null, null)
}

async function mergedValues(
  state: ModelState,
  { parameter, rows, totalRank, maxRank, parts }: AdaptedParameter,
): Promise<Float32Array> {
  const { engine, trainable } = state
  const { key, columns } = parameter
  const loraA = trainable?.byKey.get(`${key}.loraA`)
  const loraB = trainable?.byKey.get(`${key}.loraB`)
  if (!loraA || !loraB) throw new Error(`parameter ${key} has no adapter`)
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
  const transposedA = new Float32Array(columns * totalRank)
  for (let i = 0; i < totalRank; i += 1)
    for (let k = 0; k < columns; k += 1) transposedA[k * totalRank + i] = a[i * columns + k]
  const x = engine.tensor('float32', [rows, totalRank], scaledB)
  const weight = engine.tensor('float32', [columns, totalRank], transposedA)
  const shape = [rows, columns]
  const residual = engine.tensor('float32', shape, await readParameter(state, parameter))
  const tape = createTape()
  const { y } = tape.apply(
    'linear',
    { x, weight, bias: null, residual, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [columns, 0, 0] },
    { y: { dtype: 'float32', shape }, t: null },
  )
  if (!y) throw new Error('linear was recorded without its output')
  await engine.run(engine.compile(tape.commands(), [y]))
  const values = (await engine.read(y)) as Float32Array
  for (const tensor of [x, weight, residual]) engine.free(tensor)
  return values
}
