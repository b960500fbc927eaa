import { FettleError } from '../../error.ts'
import { parametersOf } from '../blocks/architecture.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import { loadTensor } from './load-state.ts'
import type { ModelState } from './model-state.ts'
import { writable } from './model-state.ts'

/**
 * Reads from the store what an adapter trains whole, as it was before, for passes without the adapter. It stays until the
 * adapter goes; before the first such pass nothing is kept but vectors that the store does not have.
 *
 * @throws FettleError where a whole table is trained whose old numbers are nowhere any more
 */
export async function loadBase(state: ModelState): Promise<void> {
  for (const { parameter, base } of state.adapter?.replaced ?? []) {
    if (state.base.has(parameter.key)) continue
    const { columns } = parameter
    const part = { data: await base(), dtype: 'F32', rows: rowCount(parameter) } as const
    writable(state).base.set(parameter.key, await state.engine.weight(state.activation, columns, [part]))
  }
  for (const { key } of parametersOf(state.architecture)) {
    if (!state.trainable?.byKey.has(key) || state.base.has(key)) continue
    const stored = state.stored.get(key)
    if (!stored)
      throw new FettleError({
        place: `${key} without the adapter`,
        found: 'a table that was changed after it was loaded, and is now trained whole',
        expected: 'numbers that can be read again from the files of the model',
        cure: 'Save the model before the adapter is added, load it again and train from there.',
      })
    writable(state).base.set(key, (await loadTensor(state, stored, null)).tensor)
  }
}

/** Keeps a frozen tensor that is to become trainable. */
export function moveToBase(state: ModelState, { key }: Parameter): void {
  const written = writable(state)
  const tensor = written.frozen.get(key)
  if (!tensor) return
  written.frozen.delete(key)
  written.base.set(key, tensor)
}

/** Lets go of all of it: what was trained is the base now, or is trained no more. */
export function dropBase(state: ModelState): void {
  const written = writable(state)
  for (const tensor of written.base.values()) state.engine.free(tensor)
  written.base.clear()
}
