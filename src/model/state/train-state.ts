import { FettleError } from '../../error.ts'
import { parametersOf, projectionsOf } from '../blocks/architecture.ts'
import type { Parameter } from '../weights/parameters.ts'
import { moduleOf, rowCount, shapeOf } from '../weights/parameters.ts'
import { slicesOf } from '../weights/tensor-slice.ts'
import { dropBase, moveToBase } from './base-weights.ts'
import { dropFrozen, quantizationOf, readParameter, setFrozen } from './frozen-weights.ts'
import type { ModelState } from './model-state.ts'
import { writable } from './model-state.ts'
import type { TrainableEntry } from './trainable-set.ts'
import { createTrainableSet, freeTrainableSet } from './trainable-set.ts'
import { decaysByName } from './update-groups.ts'

/** A whole parameter as something to train: its present values in float32. */
export function parameterEntry(
  state: ModelState,
  parameter: Parameter,
  nameOf: (name: string) => string,
): TrainableEntry {
  const { decays, decaysInLoraPlus } = decaysByName(parameter.key, isLayerNorm(state, parameter))
  return {
    key: parameter.key,
    shape: shapeOf(parameter),
    slices: slicesOf(parameter).map((slice) => ({ ...slice, name: nameOf(slice.name) })),
    decay: decays,
    decaysInLoraPlus,
    initial: () => readParameter(state, parameter),
  }
}

/** Of norms only those of PyTorch's LayerNorm have a bias. */
function isLayerNorm({ architecture }: ModelState, { key, kind }: Parameter): boolean {
  const bias = `${moduleOf(key)}.bias`
  return kind === 'vector' && parametersOf(architecture).some((other) => other.key === bias)
}

/** Makes frozen weights of whole parameters that are trainable, at their present values; nothing is trainable then. */
export async function freeze(state: ModelState): Promise<void> {
  const written = writable(state)
  for (const parameter of parametersOf(state.architecture))
    if (state.trainable?.byKey.has(parameter.key))
      await setFrozen(state, parameter, await readParameter(state, parameter))
  if (state.trainable) freeTrainableSet(state.engine, state.trainable)
  written.trainable = null
  dropBase(state)
  written.revision += 1
}

/** Replaces what is trainable; parameters that become trainable are no longer kept frozen. */
export async function setTrainable(state: ModelState, entries: readonly TrainableEntry[]): Promise<void> {
  const written = writable(state)
  const set = await createTrainableSet(state.engine, entries)
  written.trainable = set
  for (const parameter of parametersOf(state.architecture)) {
    if (!set.byKey.has(parameter.key)) continue
    // Where these numbers can be read again; what cannot is kept if it is small.
    const source = state.stored.get(parameter.key)
    if (!source && (parameter.kind === 'vector' || rowCount(parameter) === 1)) moveToBase(state, parameter)
    dropFrozen(state, parameter)
    if (source) written.stored.set(parameter.key, source)
  }
  written.revision += 1
}

/** @throws FettleError where passes do not have what is trained, or have a sum of it */
function checkInUse({ isAdapterOff, activeAdapters }: ModelState): void {
  if (!isAdapterOff && activeAdapters.length < 2) return
  throw new FettleError({
    place: 'training',
    found: isAdapterOff ? 'the adapter is off' : `${activeAdapters.length} adapters in use at once`,
    expected: 'one adapter in use',
    cure: isAdapterOff ? 'Call enableAdapter() first.' : 'Choose one with setAdapter(name).',
  })
}

/** Makes every parameter trainable, as training without an adapter needs it. */
export async function trainAllParameters(state: ModelState): Promise<void> {
  checkInUse(state)
  if (state.trainable) return
  const quantization = quantizationOf(state)
  const isStored = projectionsOf(state.architecture).some((each) => state.store.form?.(each))
  if (quantization)
    throw new FettleError({
      place: 'quantization',
      found: `${quantization} weights without an adapter`,
      expected: 'an adapter: quantised weights stay as they are',
      cure: isStored
        ? 'Train with lora, or write the weights whole first: model.save(folder).'
        : 'Train with lora, or load the model without quantization.',
    })
  await setTrainable(
    state,
    parametersOf(state.architecture)
      .filter(({ isFixed }) => isFixed !== true)
      .map((parameter) => parameterEntry(state, parameter, (name) => name)),
  )
}
