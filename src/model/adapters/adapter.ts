import { FettleError } from '../../error.ts'
import type { Problem } from '../../error.ts'
import type { LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import {
  checkParameters,
  checkTargets,
  changesBase,
  joinExperts,
  matchModules,
  adaptableParameters,
  readAdapterConfig,
  readAdapterTensors,
} from '../../peft/index.ts'
import type { AdaptableModules } from '../../peft/index.ts'
import { createRandom } from '../../random.ts'
import { parametersOf, projectionsOf } from '../blocks/architecture.ts'
import type { Adapter } from '../state/adapter-state.ts'
import type { ModelState } from '../state/model-state.ts'
import { setAdapter } from '../state/model-state.ts'
import { freeze, setTrainable } from '../state/train-state.ts'
import { isProjection, moduleOf } from '../weights/parameters.ts'
import { adaptedParameters } from './adapted-parameters.ts'
import type { AdapterFile } from './adapter-file.ts'
import { adapterFile } from './adapter-file.ts'
import type { ChangedBase } from './initial/changed-base.ts'
import { installDora, startMagnitudes } from './dora.ts'
import type { beginEva, EvaBatches } from './initial/eva.ts'
import { tableModules, takeTables } from './tables/fixed-tables.ts'
import { factorTensors, initialLora } from './initial/initial-lora.ts'
import type { InitialLora } from './lora-entries.ts'
import { loraEntries } from './lora-entries.ts'
import { planTokenRows } from './tables/plan-token-rows.ts'
import { initialTable, tableAdapters, tableEntries } from './tables/table-lora.ts'
import { installTokenRows, tokenRowEntries } from './tables/token-rows.ts'
import { checkTask } from './score-task.ts'
import { untieHead } from './tables/untie-head.ts'
import type { SavedTensor } from './whole-entries.ts'
import { savesTable, wholeEntries } from './whole-entries.ts'

/**
 * Puts a fresh adapter on the model. The base weights are frozen, but for `modulesToSave` and the biases that `bias` names; PiSSA,
 * OLoRA and LoftQ change those of its modules. EVA alone takes batches.
 */
export async function addAdapter(
  state: ModelState,
  given: LoraConfig,
  seed: number,
  batches: EvaBatches,
): Promise<void> {
  const asked = await checkTask(state, given, seed, 'lora.')
  const adaptable = adaptableModules(state)
  checkParameters(asked, adaptableParameters(adaptable), otherTensors(state))
  checkTargets(asked, adaptable)
  const random = createRandom(seed)
  const matched = divided(state, asked, matchModules(asked, adaptable))
  await prepareBase(state, asked)
  const { config, begun: a } =
    asked.initLoraWeights === 'eva'
      ? await begunByEva(state, asked, evaModules(asked, matched), batches)
      : { config: asked, begun: nothing }
  const { modules, tables } =
    config === asked ? matched : divided(state, config, matchModules(config, adaptable))
  const { replaced, factors } = await changedBase(state, config, modules, random)
  const begun = factorTensors(adaptedParameters(state, modules), factors)
  const lora = initialLora(config, new Map([...begun, ...a]), random)
  const initial = { lora, table: initialTable(config, random) }
  await installAdapter(state, { config, modules, tables, fixed: [], replaced, begun }, initial)
  await installDora(state)
  await startMagnitudes(state)
}

const nothing: ReadonlyMap<string, Float32Array> = new Map()

/** @throws FettleError for LoRA that has no inputs whose directions would be known */
function evaModules(
  { targetParameters = [] }: LoraConfig,
  { modules, tables }: ReturnType<typeof divided>,
): ReadonlyMap<string, ModuleAdapter> {
  const table = tables.embedding ?? tables.head
  const other = table?.module ?? targetParameters[0]
  if (other === undefined) return modules
  throw new FettleError({
    place: 'lora.init_lora_weights',
    found: `"eva" for ${other}`,
    expected: 'LoRA on linear layers of the decoder only',
    cure: 'Name them in target_modules.',
  })
}

/**
 * Loads an adapter that PEFT or fettle saved. Where it was made for more tokens than the model has, the model gets them.
 *
 * @returns what is to be said of its configuration
 * @throws FettleError when a tensor is missing, is too much or has another shape
 */
export async function loadAdapter(state: ModelState, folder: string): Promise<readonly Problem[]> {
  const read = await readAdapterConfig(folder)
  const experts = projectionsOf(state.architecture).flatMap((parameter) => parameter.experts ?? [])
  const { config, tensors, notices } = joinExperts(
    { config: read.values, tensors: await readAdapterTensors(folder), notices: read.notices },
    experts,
    folder,
  )
  const file = adapterFile(`${folder}/adapter_model.safetensors`, tensors)
  await putAdapter(state, config, file, `${folder}/adapter_config.json: `)
  return notices
}

/** The same of an adapter that is in memory, under the names of a file. `place` begins the errors of its configuration. */
export async function putAdapter(
  state: ModelState,
  given: LoraConfig,
  file: AdapterFile,
  place: string,
): Promise<void> {
  const config = await checkTask(state, given, 0, place)
  const adaptable = adaptableModules(state)
  checkParameters(config, adaptableParameters(adaptable), otherTensors(state), place)
  const matched = matchModules(config, adaptable, place)
  const { modules, tables } = divided(state, config, matched)
  // What can be wrong is found before the model is changed.
  for (const adapted of adaptedParameters(state, modules))
    for (const { slices } of loraEntries(adapted, () => new Float32Array(0), config))
      for (const { name, shape } of slices) file.take(name, shape)
  const fixed = await takeTables(state, file, config)
  await prepareBase(state, config)
  const take = ({ name, shape }: Parameters<InitialLora>[0]) => file.take(name, shape)
  const adapter = { config, modules, tables, fixed, replaced: [], begun: new Map<string, Float32Array>() }
  await installAdapter(state, adapter, { lora: take, table: take }, file.take)
  file.checkNothingLeft()
  const { replaced, factors } = await changedBase(state, config, modules, neverAsked)
  const begun = factorTensors(adaptedParameters(state, modules), factors)
  setAdapter(state, { ...adapter, replaced, begun }, state.tokenRows)
  await installDora(state)
}

/** What a randomised decomposition began with cannot be loaded, so nothing random is asked for. */
function neverAsked(): number {
  throw new Error('loading an adapter draws no random numbers')
}

/** @throws FettleError for what LoRA on a table cannot be beside: a beginning with a part of it, DoRA, rows of tokens of its own */
function checkTable(
  { architecture }: ModelState,
  { initLoraWeights: init, useDora, trainableTokenIndices }: LoraConfig,
  module: string,
): void {
  const cure = 'In PEFT, save the model of merge_and_unload(), and load that one here.'
  if (useDora)
    throw new FettleError({
      place: 'use_dora',
      found: `DoRA on ${module}`,
      expected: 'LoRA there, or DoRA on linear layers of the decoder only',
      cure,
    })
  if (changesBase(init))
    throw new FettleError({
      place: 'init_lora_weights',
      found: `"${init}" for ${module}`,
      expected: 'true, where LoRA is on embedding or head',
      cure,
    })
  if (trainableTokenIndices && module === moduleOf(architecture.head.key))
    throw new FettleError({
      place: 'trainable_token_indices',
      found: `rows of tokens beside LoRA on ${module}`,
      expected: 'one of the two',
    })
}

function adaptableModules(state: ModelState): AdaptableModules {
  const projections = projectionsOf(state.architecture)
  return {
    linear: projections.flatMap(({ kind, parts }) =>
      kind === 'linear' ? parts.map(({ safetensors }) => moduleOf(safetensors.name)) : [],
    ),
    tables: tableModules(state),
    experts: projections.flatMap(({ experts }) => experts?.name ?? []),
  }
}

/** Names of tensors that LoRA is never on. */
function otherTensors({ architecture }: ModelState): string[] {
  return parametersOf(architecture)
    .filter((parameter) => !isProjection(parameter))
    .flatMap(({ parts }) => parts.map(({ safetensors }) => safetensors.name))
}

/** The layers' modules by path, and the tables. */
function divided(state: ModelState, config: LoraConfig, matched: readonly ModuleAdapter[]) {
  const tables = tableModules(state)
  for (const { module } of matched) if (tables.includes(module)) checkTable(state, config, module)
  const inLayers = matched.filter(({ module }) => !tables.includes(module))
  const modules = new Map(inLayers.map((adapter) => [adapter.module, adapter]))
  return { modules, tables: tableAdapters(state, matched) }
}

/** Freezes what was trained without an adapter before, and parts a tied head where one of the two changes. */
async function prepareBase(state: ModelState, config: LoraConfig): Promise<void> {
  // What was learned stays, as the base.
  await freeze(state)
  const parts = savesTable(state, config) && !config.ensureWeightTying
  if (!state.architecture.isTied || !parts) return
  if (state.parked.size > 0)
    throw new FettleError({
      place: 'lora.modules_to_save',
      found: 'one of two tied tables, beside other adapters',
      expected: 'that the tables stay as the other adapters have them',
      cure: 'Put this adapter on the model first, or give it ensure_weight_tying.',
    })
  await untieHead(state)
}

async function installAdapter(
  state: ModelState,
  adapter: Adapter,
  initial: { lora: InitialLora; table: Parameters<typeof tableEntries>[2] },
  saved?: SavedTensor,
): Promise<void> {
  const { config, modules } = adapter
  const rowPlans = planTokenRows(state, config)
  await setTrainable(state, [
    ...adaptedParameters(state, modules).flatMap((adapted) => loraEntries(adapted, initial.lora, config)),
    ...tableEntries(state, adapter.tables, initial.table),
    ...wholeEntries(state, config, modules, saved),
    ...tokenRowEntries(state, rowPlans, saved),
  ])
  setAdapter(state, adapter, await installTokenRows(state, rowPlans))
}

/** Few adapters change the base or begin by EVA: what computes it is loaded for them. */
async function changedBase(
  state: ModelState,
  config: LoraConfig,
  ...rest: [modules: Adapter['modules'], random: () => number]
): Promise<ChangedBase> {
  const { initLoraWeights } = config
  if (!changesBase(initLoraWeights)) return { replaced: [], factors: new Map() }
  const { changeBase } = await import('./initial/changed-base.ts')
  return changeBase(state, { ...config, initLoraWeights }, ...rest)
}

async function begunByEva(...asked: Parameters<typeof beginEva>): ReturnType<typeof beginEva> {
  const { beginEva: begin } = await import('./initial/eva.ts')
  return begin(...asked)
}
