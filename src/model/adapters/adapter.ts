import { FettleError } from '../../error.ts'
import type { Problem } from '../../error.ts'
import type { AdapterTensorToWrite, LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import {
  checkTargets,
  matchModules,
  readAdapterConfig,
  readAdapterTensors,
  toPeftConfig,
  writeAdapter,
} from '../../peft/index.ts'
import { createRandom } from '../../random.ts'
import { linearParameters } from '../blocks/architecture.ts'
import type { Adapter, ModelState } from '../state/model-state.ts'
import { setAdapter } from '../state/model-state.ts'
import { freeze, setTrainable } from '../state/train-state.ts'
import { moduleOf } from '../weights/parameters.ts'
import { extractSlice } from '../weights/tensor-slice.ts'
import { adaptedParameters } from './adapted-parameters.ts'
import { adapterFile } from './adapter-file.ts'
import { adaptTables, tableModules, takeTables } from './fixed-tables.ts'
import type { InitialLora } from './lora-entries.ts'
import { loraEntries } from './lora-entries.ts'
import { planTokenRows } from './plan-token-rows.ts'
import { rebuildBase } from './rebuild-base.ts'
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
  checkNoAdapter(state)
  checkTargets(config, { linear: linearModules(state), tables: [] })
  const random = createRandom(seed)
  const initial: InitialLora = ({ rows, columns }, matrix) =>
    matrix === 'A' || !config.initLoraWeights
      ? Float32Array.from({ length: rows * columns }, () => (2 * random() - 1) / Math.sqrt(columns))
      : new Float32Array(rows * columns)
  await prepareBase(state, config, false)
  const modules = modulesOf(matchModules(config, { linear: linearModules(state), tables: [] }))
  await installAdapter(state, { config, modules, fixed: { tensors: [], adapted: [] }, rebuilt: [] }, initial)
}

/**
 * Loads an adapter that PEFT or fettle saved. Where it was made for more tokens than the model has, the model gets them.
 *
 * @returns what is to be said of its configuration
 * @throws FettleError when a tensor is missing, is too much or has another shape
 */
export async function loadAdapter(state: ModelState, folder: string): Promise<readonly Problem[]> {
  checkNoAdapter(state)
  const { values: config, notices } = await readAdapterConfig(folder)
  const file = adapterFile(folder, await readAdapterTensors(folder))
  const tables = tableModules(state)
  const place = `${folder}/adapter_config.json: `
  const matched = matchModules(config, { linear: linearModules(state), tables }, place)
  const modules = modulesOf(matched.filter(({ module }) => !tables.includes(module)))
  // What can be wrong is found before the model is changed.
  for (const adapted of adaptedParameters(state, modules))
    for (const { slices } of loraEntries(adapted, () => new Float32Array(0)))
      for (const { name, shape } of slices) file.take(name, shape)
  const onTables = matched.filter(({ module }) => tables.includes(module))
  for (const { module } of onTables) checkTableInit(config, module)
  const saved = await takeTables(state, file, config)
  await prepareBase(state, config, onTables.length > 0)
  const fixed = await adaptTables(state, file, onTables, saved)
  const initial: InitialLora = ({ name, shape }) => file.take(name, shape)
  const adapter = { config, modules, fixed, rebuilt: [] }
  await installAdapter(state, adapter, initial, file.take)
  file.checkNothingLeft()
  const rebuilt = await rebuildBase(state, config, modules)
  setAdapter(state, { ...adapter, rebuilt }, state.tokenRows)
  return notices
}

function checkNoAdapter({ adapter }: ModelState): void {
  if (adapter)
    throw new FettleError({
      place: 'adapter',
      found: 'the model has one already',
      expected: 'one adapter',
      cure: 'Merge it first with mergeAdapter().',
    })
}

/** @throws FettleError for LoRA on a table that begins with a part of it: PEFT changes a tied one twice */
function checkTableInit({ initLoraWeights: init }: LoraConfig, module: string): void {
  if (init === 'pissa' || init === 'olora')
    throw new FettleError({
      place: 'adapter_config.json: init_lora_weights',
      found: `"${init}" for ${module}`,
      expected: 'true, where LoRA is on embedding or head',
      cure: 'In PEFT, save the model of merge_and_unload(), and load that one here.',
    })
}

function linearModules({ architecture }: ModelState): string[] {
  return linearParameters(architecture).flatMap(({ parts }) =>
    parts.map(({ safetensors }) => moduleOf(safetensors.name)),
  )
}

function modulesOf(matched: readonly ModuleAdapter[]): ReadonlyMap<string, ModuleAdapter> {
  return new Map(matched.map((adapter) => [adapter.module, adapter]))
}

/** Freezes what was trained without an adapter before, and parts a tied head where one of the two changes. */
async function prepareBase(state: ModelState, config: LoraConfig, adaptsTables: boolean): Promise<void> {
  // What was learned stays, as the base.
  await freeze(state)
  const parts = adaptsTables || (savesTable(state, config) && !config.ensureWeightTying)
  if (state.architecture.isTied && parts) await untieHead(state)
}

async function installAdapter(
  state: ModelState,
  adapter: Adapter,
  initial: InitialLora,
  saved?: SavedTensor,
): Promise<void> {
  const { config, modules } = adapter
  const rowPlans = planTokenRows(state, config)
  await setTrainable(state, [
    ...adaptedParameters(state, modules).flatMap((adapted) => loraEntries(adapted, initial)),
    ...wholeEntries(state, config, modules, saved),
    ...tokenRowEntries(state, rowPlans, saved),
  ])
  setAdapter(state, adapter, await installTokenRows(state, rowPlans))
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
  const { config, modules, fixed } = state.adapter
  const trained = trainedTensors(state, 'tensor')
  const names = new Set(trained.map(({ name }) => name))
  const tensors = [...trained, ...fixed.tensors.filter(({ name }) => !names.has(name))]
  await writeAdapter(folder, toPeftConfig(config, [...modules.keys()]), tensors)
}
