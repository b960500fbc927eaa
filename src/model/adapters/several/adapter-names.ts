import { FettleError, listNames } from '../../../error.ts'
import type { ModelState } from '../../state/model-state.ts'

/** The name of an adapter that is not given one, as in PEFT. */
export const defaultName = 'default'

/** Names of all adapters, in the order in which they came as far as they are not in use. */
export function adapterNames({ activeAdapters, parked }: ModelState): string[] {
  return [...new Set([...activeAdapters, ...parked.keys()])]
}

/** @throws FettleError for a name that an adapter has already */
export function checkNewName(state: ModelState, name: string): void {
  if (!adapterNames(state).includes(name)) return
  throw new FettleError({
    place: 'adapter',
    found: `the model has one already that is called '${name}'`,
    expected: 'another name',
    cure: 'Give it a name of its own, merge the other first with mergeAdapter(), or delete it with deleteAdapter().',
  })
}

/** @throws FettleError for a name that no adapter has */
export function checkNames(state: ModelState, names: readonly string[]): void {
  const known = adapterNames(state)
  const wrong = names.find((name) => !known.includes(name))
  if (wrong === undefined) return
  throw new FettleError({
    place: 'adapter',
    found: `no adapter '${wrong}'`,
    expected: known.length > 0 ? listNames(known) : 'an adapter: call addAdapter or loadAdapter first',
  })
}

/** What needs the one adapter that is in use. */
export function severalActive(what: string): FettleError {
  return new FettleError({
    place: 'adapter',
    found: `several adapters in use, for ${what}`,
    expected: 'one adapter in use',
    cure: 'Choose it with setAdapter(name), or make one of them with addWeightedAdapter.',
  })
}
