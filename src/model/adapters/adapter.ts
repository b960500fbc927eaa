import { FettleError } from '../../error.ts'
import type { AdapterTensorToWrite, LoraConfig } from '../../peft/index.ts'
import {
  matchModules,
  readAdapterConfig,
  readAdapterTensors,
  toPeftConfig,
  writeAdapter,
} from '../../peft/index.ts'
import { createRandom } from '../../random.ts'
import { linearParameters } from '../blocks/architecture.ts'
import type { ModelState } from '../state/model-state.ts'
import { setAdapter } from '../state/model-state.ts'
import { freeze, setTrainable } from '../state/train-state.ts'
import { moduleOf } from '../weights/parameters.ts'
import { extractSlice } from '../weights/tensor-slice.ts'
import { adaptedParameters } from './adapted-parameters.ts'
import type { InitialLora } from './lora-entries.ts'
import { loraEntries } from './lora-entries.ts'
import { planTokenRows } from './plan-token-rows.ts'
import { installTokenRows, tokenRowEntries } from './token-rows.ts'
import { untieHead } from './untie-head.ts'
import type { SavedTensor } from './whole-entries.ts'
import { savesTable, wholeEntries } from './whole-entries.ts'

/**
 * Puts a fresh adapter on the model: A uniform in ±1/√K (PEFT's Kaiming initialisation with a = √5), B zero, or with
 * `initLoraWeights: false` uniform in ±1/√r. The base weights are frozen, but for `modulesToSave` and the biases that
 * `bias` names.
 */
export async function addAdapter(state: ModelState, config: LoraConfig, seed: number): Promise<void> {
  const random = createRandom(seed)
  await putAdapter(state, config, ({ rows, columns }, matrix) =>
    matrix === 'A' || !config.initLoraWeights
      ? Float32Array.from({ length: rows * columns }, () => (2 * random() - 1) / Math.sqrt(columns))
      : new Float32Array(rows * columns),
  )
}

/**
 * Loads an adapter that PEFT or fettle saved.
 *
 * @throws FettleError when a tensor is missing, is too much or has another shape
 */
export async function loadAdapter(state: ModelState, folder: string): Promise<void> {
  const config = await readAdapterConfig(folder)
  const tensors = await readAdapterTensors(folder)
  const used = new Set<string>()
  const find: SavedTensor = (name, shape) => {
    const tensor = tensors.get(name)
    if (!tensor || tensor.shape.join() !== shape.join())
      throw new FettleError({
        place: `${folder}/adapter_model.safetensors: tensor ${name}`,
        found: tensor ? `shape [${tensor.shape.join(', ')}]` : 'nothing',
        expected: `shape [${shape.join(', ')}]`,
        cure: 'The adapter was made for another model, or its adapter_config.json was changed.',
      })
    used.add(name)
    return tensor.data
  }
  await putAdapter(state, config, ({ name, shape }) => find(name, shape), find)
  const unknown = [...tensors.keys()].filter((name) => !used.has(name))
  if (unknown.length > 0)
    throw new FettleError({
      place: `${folder}/adapter_model.safetensors: tensor ${unknown[0]}`,
      found: `${unknown.length} tensors that this model has no place for`,
      expected: 'the tensors of the modules that adapter_config.json names',
      cure: 'The adapter was made for another model.',
    })
}

async function putAdapter(
  state: ModelState,
  config: LoraConfig,
  initial: InitialLora,
  saved?: SavedTensor,
): Promise<void> {
  if (state.adapter)
    throw new FettleError({
      place: 'adapter',
      found: 'the model has one already',
      expected: 'one adapter',
      cure: 'Merge it first with mergeAdapter().',
    })
  // Trained without an adapter before: what was learned stays, as the base.
  await freeze(state)
  if (state.architecture.isTied && !config.ensureWeightTying && savesTable(state, config))
    await untieHead(state)
  const paths = linearParameters(state.architecture.layers).flatMap(({ parts }) =>
    parts.map(({ safetensors }) => moduleOf(safetensors.name)),
  )
  const modules = new Map(matchModules(config, paths).map((adapter) => [adapter.module, adapter]))
  const rowPlans = planTokenRows(state, config)
  await setTrainable(state, [
    ...adaptedParameters(state, modules).flatMap((adapted) => loraEntries(adapted, initial)),
    ...wholeEntries(state, config, modules, saved),
    ...tokenRowEntries(state, rowPlans, saved),
  ])
  setAdapter(state, { config, modules }, await installTokenRows(state, rowPlans))
}

/** The trained tensors by their names in the file, to be read one at a time. */
export function trainedTensors(state: ModelState, source: 'tensor' | 'gradient'): AdapterTensorToWrite[] {
  const kind = source === 'gradient' ? 'gradient' : 'values'
  return (state.trainable?.tensors ?? []).flatMap((trained) =>
    trained.slices.map((slice) => ({
      name: slice.name,
      shape: slice.shape,
      data: async () => extractSlice((await state.engine.read(trained[source])) as Float32Array, slice, kind),
    })),
  )
}

/** Writes adapter_model.safetensors and adapter_config.json as PEFT does. */
export async function saveAdapter(state: ModelState, folder: string): Promise<void> {
  if (!state.adapter)
    throw new FettleError({
      place: 'saveAdapter',
      found: 'a model without an adapter',
      cure: 'Call addAdapter first.',
    })
  const { config, modules } = state.adapter
  await writeAdapter(folder, toPeftConfig(config, [...modules.keys()]), trainedTensors(state, 'tensor'))
}
