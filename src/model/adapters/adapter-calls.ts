import { ignoredLabel } from '../../data/index.ts'
import { checkArgument, checkList, checkOptions } from '../../check-argument.ts'
import type { Problem } from '../../error.ts'
import type { LoraConfig } from '../../peft/index.ts'
import { loraConfig } from '../../peft/index.ts'
import type { ForwardInputs } from '../passes/flatten.ts'
import { flattenBatch } from '../passes/flatten.ts'
import { vocabularyOf } from '../blocks/architecture.ts'
import type { ModelState } from '../state/model-state.ts'
import { addAdapter, loadAdapter } from './adapter.ts'
import type { EvaBatches } from './initial/eva.ts'
import { defaultName } from './several/adapter-names.ts'
import type { SaveAdapterOptions } from './save-adapter.ts'
import { saveAdapter } from './save-adapter.ts'
import { addBeside, runWithAdapter, useAdapters } from './several/several-adapters.ts'

/** What an adapter is called, and what its random numbers follow from. */
export interface AddAdapterOptions {
  /** Default `default`. */
  name?: string
  /** Of its random numbers; default 42. */
  seed?: number
  /** Training data with labels, which `initLoraWeights: 'eva'` looks at as often as it takes; nothing else reads them. */
  batches?: Iterable<ForwardInputs> | (() => AsyncIterable<ForwardInputs>)
}

export function checkName(place: string, name: unknown): void {
  checkArgument(place, name, typeof name === 'string' && name !== '', 'the name of an adapter')
}

/** What adds a fresh adapter with these options. */
export function addNamed(
  options: AddAdapterOptions | string | number,
): (state: ModelState, config: Partial<LoraConfig>) => Promise<void> {
  const given =
    typeof options === 'string'
      ? { name: options }
      : typeof options === 'object'
        ? options
        : { seed: options }
  checkOptions('addAdapter: options', given)
  const { name = defaultName, seed = 42, batches = [] } = given
  checkName('addAdapter: name', name)
  checkArgument('addAdapter: seed', seed, Number.isSafeInteger(seed), 'a whole number')
  checkArgument(
    'addAdapter: batches',
    batches,
    typeof batches === 'function' || (typeof batches === 'object' && Symbol.iterator in batches),
    'a list of batches, or a function that gives them',
  )
  return (state, config) =>
    addBeside(state, name, () =>
      addAdapter(state, loraConfig({ ...taskOf(state), ...config }), seed, labelled(state, batches)),
    )
}

/** Batches as users give them, flat. */
function labelled(
  { architecture }: ModelState,
  batches: NonNullable<AddAdapterOptions['batches']>,
): EvaBatches {
  return async function* () {
    for await (const inputs of typeof batches === 'function' ? batches() : batches) {
      const batch = flattenBatch(inputs, vocabularyOf(architecture), architecture.maxPositions)
      yield { batch, learned: labelledTokens(batch) }
    }
  }
}

/** Where the tokens stand that have a label: as TRL and PEFT see it, the token itself, not the one that is predicted there. */
function labelledTokens({ labels }: ReturnType<typeof flattenBatch>): Int32Array {
  return Int32Array.from(labels.keys()).filter((place) => labels[place] !== ignoredLabel)
}

/** What adapters of a model are for, where nobody says. */
function taskOf({ architecture }: ModelState): Pick<LoraConfig, 'taskType'> {
  return { taskType: architecture.isScored ? 'SEQ_CLS' : 'CAUSAL_LM' }
}

/** @returns what is to be said of its configuration */
export async function loadNamed(
  state: ModelState,
  folder: string,
  { name = defaultName }: { name?: string },
): Promise<readonly Problem[]> {
  checkName('loadAdapter: name', name)
  return addBeside(state, name, () => loadAdapter(state, folder))
}

export async function chooseAdapters(state: ModelState, given: string | readonly string[]): Promise<void> {
  const names = typeof given === 'string' ? [given] : given
  checkList('setAdapter', names, (name) => typeof name === 'string', 'the name of an adapter')
  checkArgument('setAdapter', given, names.length > 0, 'one or more names')
  await useAdapters(state, names)
}

export async function saveNamed(
  state: ModelState,
  folder: string,
  { name, ...options }: SaveAdapterOptions & { name?: string },
): Promise<void> {
  if (name === undefined) return saveAdapter(state, folder, options)
  checkName('saveAdapter: name', name)
  return runWithAdapter(state, name, () => saveAdapter(state, folder, options))
}
