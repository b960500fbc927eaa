import type { WeightForm } from '../../engine/quantization.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { parametersOf } from '../blocks/architecture.ts'
import type { ChangedWeight, ParkedAdapter } from './adapter-state.ts'
import type { ModelState, WritableState } from './model-state.ts'
import { writable } from './model-state.ts'

/** How weights of the base are held that an adapter has something else in the place of. */
const baseForms = new WeakMap<Tensor, WeightForm>()

function setForm({ forms }: WritableState, key: string, form: WeightForm | undefined): void {
  if (form) forms.set(key, form)
  else forms.delete(key)
}

/**
 * Takes the adapter off the model, whose weights are the base's then: call `loadBase` before, and put the base's rows of tokens in their
 * tables.
 */
export function takeOff(state: ModelState): ParkedAdapter {
  const written = writable(state)
  const { adapter, trainable, tokenRows, norms, variant } = written
  if (!adapter || !trainable) throw new Error('takeOff: no adapter is in use')
  const changed = new Map<string, ChangedWeight>()
  for (const {
    parameter: { key },
    base,
  } of adapter.replaced) {
    const tensor = written.frozen.get(key)
    if (!tensor) throw new Error(`${key} was changed and is not there`)
    changed.set(key, { tensor, form: written.forms.get(key), exact: written.exact.get(key) })
    written.exact.set(key, base)
  }
  for (const [key, tensor] of written.base) {
    written.frozen.set(key, tensor)
    setForm(written, key, baseForms.get(tensor))
  }
  written.base.clear()
  Object.assign(written, { adapter: null, trainable: null, tokenRows: null, norms: new Map(), variant: 0 })
  return { adapter, trainable, tokenRows, norms, variant, changed }
}

/** Puts an adapter on the model that `takeOff` took from it; none may be in use. Rows of tokens are to be written anew. */
export function putOn(state: ModelState, parked: ParkedAdapter): void {
  const written = writable(state)
  const { changed, ...rest } = parked
  const moveToBase = (key: string) => {
    const tensor = written.frozen.get(key)
    const form = written.forms.get(key)
    if (tensor) written.base.set(key, tensor)
    if (tensor && form) baseForms.set(tensor, form)
    written.frozen.delete(key)
    written.forms.delete(key)
  }
  for (const { key } of parametersOf(state.architecture)) if (parked.trainable.byKey.has(key)) moveToBase(key)
  for (const [key, { tensor, form, exact }] of changed) {
    moveToBase(key)
    written.frozen.set(key, tensor)
    setForm(written, key, form)
    if (exact) written.exact.set(key, exact)
    else written.exact.delete(key)
  }
  Object.assign(written, rest)
}

/** Says which adapters there are, and which of them are in use. */
export function nameAdapters(
  state: ModelState,
  activeAdapters: readonly string[],
  parked: ReadonlyMap<string, ParkedAdapter>,
): void {
  const written = writable(state)
  written.activeAdapters = activeAdapters
  written.parked = new Map(parked)
}

/** Programs that were compiled before are stale: tensors of theirs were given back. */
export function forgetPrograms(state: ModelState): void {
  writable(state).revision += 1
}
