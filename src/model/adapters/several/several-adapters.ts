import { loadBase } from '../../state/base-weights.ts'
import type { ModelState } from '../../state/model-state.ts'
import { switchAdapter } from '../../state/model-state.ts'
import type { ParkedAdapter } from '../../state/adapter-state.ts'
import { forgetPrograms, nameAdapters, putOn, takeOff } from '../../state/parked-adapters.ts'
import { freeTrainableSet } from '../../state/trainable-set.ts'
import { checkSum, putSum } from './adapter-sum.ts'
import { checkNames, checkNewName } from './adapter-names.ts'
import { freeNorms } from '../dora.ts'
import { freeRows, putBaseRows, refreshTokenRows } from '../tables/token-rows.ts'

/**
 * Several adapters on one model, as PEFT has them: each with its tensors and its compiled passes, one in use. To change between them moves
 * a few references: nothing is copied or compiled but the rows of tokens that an adapter trains, which are written into their table.
 */

/**
 * Puts a further adapter on the model, made by `put`; the first one is in use from now on, and further ones wait for `useAdapter`.
 * Where `put` fails the others are as they were.
 */
export async function addBeside<T>(state: ModelState, name: string, put: () => Promise<T>): Promise<T> {
  checkNewName(state, name)
  const active = state.activeAdapters
  if (active.length === 0) {
    const made = await put()
    nameAdapters(state, [name], state.parked)
    return made
  }
  const wasOff = state.isAdapterOff
  await turnOn(state)
  await park(state)
  try {
    const made = await put()
    nameAdapters(state, [name], state.parked)
    await park(state)
    return made
  } catch (error) {
    await discard(state)
    throw error
  } finally {
    await use(state, active)
    if (wasOff) await turnOff(state)
  }
}

/** Makes another adapter the one in use, or the sum of several. */
export async function useAdapters(state: ModelState, names: readonly string[]): Promise<void> {
  checkNames(state, names)
  if (state.activeAdapters.join('\n') === names.join('\n') && names.length === 1) return
  if (names.length > 1) checkSum(state, names)
  await park(state)
  await use(state, names)
}

/** Runs something while another adapter is in use. */
export async function runWithAdapter<T>(state: ModelState, name: string, body: () => Promise<T>): Promise<T> {
  const before = state.activeAdapters
  const wasOff = state.isAdapterOff
  await useAdapters(state, [name])
  await turnOn(state)
  try {
    return await body()
  } finally {
    await useAdapters(state, before)
    if (wasOff) await turnOff(state)
  }
}

/** Gives back an adapter. Where it was in use, the oldest of the others is then. */
export async function deleteAdapter(state: ModelState, name: string): Promise<void> {
  checkNames(state, [name])
  const wasActive = state.activeAdapters.includes(name)
  if (wasActive) await park(state)
  const parked = state.parked.get(name)
  if (parked) free(state, parked)
  nameAdapters(state, state.activeAdapters, without(state.parked, name))
  forgetPrograms(state)
  const [next] = state.parked.keys()
  if (!wasActive) return
  if (next === undefined) switchAdapter(state, false)
  else await use(state, [next])
}

/** Gives back those that are not in use. */
export function deleteOthers(state: ModelState): void {
  for (const parked of state.parked.values()) free(state, parked)
  nameAdapters(state, state.activeAdapters, new Map())
  forgetPrograms(state)
}

/** Leaves the adapter out of all passes, until `turnOn`. */
export async function turnOff(state: ModelState): Promise<void> {
  if (!state.adapter || state.isAdapterOff) return
  await loadBase(state)
  putBaseRows(state)
  switchAdapter(state, true)
}

export async function turnOn(state: ModelState): Promise<void> {
  if (!state.isAdapterOff) return
  switchAdapter(state, false)
  await refreshTokenRows(state)
}

/** Takes the adapter in use off the model. */
async function park(state: ModelState): Promise<void> {
  const [name, ...more] = state.activeAdapters
  if (!state.adapter || name === undefined) return
  await loadBase(state)
  putBaseRows(state)
  const taken = takeOff(state)
  // One that was made of several is made anew when it is wanted again.
  if (more.length > 0) {
    free(state, taken)
    forgetPrograms(state)
    nameAdapters(state, [], state.parked)
  } else nameAdapters(state, [], new Map([...state.parked, [name, taken]]))
}

async function use(state: ModelState, names: readonly string[]): Promise<void> {
  const [name, ...more] = names
  const parked = state.parked.get(name)
  if (!parked) throw new Error(`no adapter ${name} to use`)
  if (more.length > 0) {
    await putSum(state, names)
    nameAdapters(state, names, state.parked)
    return
  }
  putOn(state, parked)
  nameAdapters(state, [name], without(state.parked, name))
  if (state.isAdapterOff) putBaseRows(state)
  else await refreshTokenRows(state)
}

/** What was begun and failed. */
async function discard(state: ModelState): Promise<void> {
  if (!state.adapter || !state.trainable) return
  await loadBase(state)
  putBaseRows(state)
  free(state, takeOff(state))
  forgetPrograms(state)
}

function free({ engine }: ModelState, { trainable, tokenRows, norms, changed }: ParkedAdapter): void {
  freeTrainableSet(engine, trainable)
  freeRows(engine, tokenRows)
  freeNorms(engine, norms)
  for (const { tensor } of changed.values()) engine.free(tensor)
}

function without<T>(map: ReadonlyMap<string, T>, name: string): Map<string, T> {
  return new Map([...map].filter(([key]) => key !== name))
}
