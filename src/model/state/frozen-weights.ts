import type { WeightForm } from '../../engine/quantization.ts'
import type { Quantization } from '../../engine/index.ts'
import { quantizations } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import { readerOf } from './exact-reader.ts'
import type { ModelState } from './model-state.ts'
import { writable } from './model-state.ts'

/** The tensor of a parameter, trained or frozen. */
export function parameterTensor(state: ModelState, { key }: Parameter): Tensor {
  const tensor = state.trainable?.byKey.get(key)?.tensor ?? state.frozen.get(key)
  if (!tensor) throw new Error(`parameter ${key} has no tensor`)
  return tensor
}

/** All values of a parameter, its parts stacked. */
export async function readParameter(state: ModelState, parameter: Parameter): Promise<Float32Array> {
  const inFiles = state.isUnloaded ? state.exact.get(parameter.key) : undefined
  if (inFiles) return inFiles()
  return (await state.engine.read(parameterTensor(state, parameter))) as Float32Array
}

/** How linear layers are held that no adapter was merged into; null: all of them in the compute type. */
export function quantizationOf({ forms }: ModelState): Quantization | null {
  const held = new Set<string>(forms.values())
  return quantizations.find((quantization) => held.has(quantization)) ?? null
}

/** In how many bits a parameter is held, where that rounds it. */
export function quantizationFormOf({ forms }: ModelState, { key }: Parameter): Quantization | null {
  const form = forms.get(key)
  return quantizations.find((quantization) => quantization === form) ?? null
}

/** Replaces a parameter's frozen numbers by others than the store has. */
export async function setFrozen(
  state: ModelState,
  parameter: Parameter,
  values: Float32Array,
): Promise<void> {
  const { engine, activation } = state
  const { key, kind, columns } = parameter
  // Before the new one is made: there need not be room for two.
  dropFrozen(state, parameter)
  if (state.isUnloaded) {
    writable(state).exact.set(key, readerOf(values, columns))
    return
  }
  if (kind === 'vector') {
    keepFrozen(state, parameter, engine.tensor('float32', [values.length], values))
    if (!values.includes(0)) writable(state).withoutZeros.add(key)
    return
  }
  const rows = values.length / columns
  const part = { data: values, dtype: 'F32', rows } as const
  keepFrozen(state, parameter, await engine.weight(activation, columns, [part]))
}

/** Gives a parameter the numbers of another one. */
export async function copyFrozen(state: ModelState, from: Parameter, to: Parameter): Promise<void> {
  const source = state.stored.get(from.key)
  const exact = state.exact.get(from.key)
  await setFrozen(state, to, await readParameter(state, from))
  if (source) writable(state).stored.set(to.key, source)
  if (exact) writable(state).exact.set(to.key, exact)
}

/** Puts another tensor with the same numbers in the place of a frozen matrix. */
export function holdAs(state: ModelState, parameter: Parameter, tensor: Tensor, form: WeightForm): void {
  const source = state.stored.get(parameter.key)
  const exact = state.exact.get(parameter.key)
  dropFrozen(state, parameter)
  keepFrozen(state, parameter, tensor, form)
  if (source) writable(state).stored.set(parameter.key, source)
  if (exact) writable(state).exact.set(parameter.key, exact)
}

/** A first tensor of a parameter. */
export function keepFrozen(
  state: ModelState,
  { key }: Parameter,
  tensor: Tensor,
  form: WeightForm | null = null,
): void {
  const written = writable(state)
  written.frozen.set(key, tensor)
  if (form) written.forms.set(key, form)
  written.revision += 1
}

/** Lets go of a parameter's frozen tensor and of what is known of it. */
export function dropFrozen(state: ModelState, { key }: Parameter): void {
  const written = writable(state)
  const tensor = written.frozen.get(key)
  if (tensor) state.engine.free(tensor)
  written.frozen.delete(key)
  written.forms.delete(key)
  written.withoutZeros.delete(key)
  written.stored.delete(key)
  written.exact.delete(key)
  written.revision += 1
}
