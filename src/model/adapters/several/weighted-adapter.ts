import { checkList } from '../../../check-argument.ts'
import type { CombineOptions } from '../../../peft/index.ts'
import { combined } from '../../../peft/index.ts'
import type { ModelState } from '../../state/model-state.ts'
import { putAdapter } from '../adapter.ts'
import { checkName } from '../adapter-calls.ts'
import { adapterFile } from '../adapter-file.ts'
import { checkNames } from './adapter-names.ts'
import { readTensors } from './adapter-sum.ts'
import { addBeside, runWithAdapter } from './several-adapters.ts'

/** What a weighted sum of adapters is called, and how it is made. */
export interface WeightedOptions extends Omit<CombineOptions, 'weights'> {
  /** Of the adapter that is made. */
  name: string
}

/** Combines adapters of the model into a further one. */
export async function addWeighted(
  state: ModelState,
  names: readonly string[],
  weights: readonly number[],
  { name, ...options }: WeightedOptions,
): Promise<void> {
  checkName('addWeightedAdapter: name', name)
  checkList('addWeightedAdapter: names', names, (each) => typeof each === 'string', 'the name of an adapter')
  checkNames(state, names)
  const sources = []
  for (const each of names)
    sources.push(
      await runWithAdapter(state, each, async () => {
        const { adapter, trainable } = state
        if (!adapter || !trainable) throw new Error(`adapter ${each} is not in use`)
        const { config } = adapter
        return { place: `adapter '${each}'`, config, tensors: await readTensors(state, trainable) }
      }),
    )
  const { config, tensors } = combined(sources, { weights, ...options }, 'addWeightedAdapter')
  const place = `adapter '${name}'`
  await addBeside(state, name, () => putAdapter(state, config, adapterFile(place, tensors), `${place}: `))
}
