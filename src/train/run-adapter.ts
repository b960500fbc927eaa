import type { AutoModelForCausalLM } from '../model/index.ts'
import { internalsOf, leafName, linearParameters } from '../model/index.ts'
import { readAdapterConfig } from '../peft/index.ts'
import type { LoraConfig, LoraOptions } from '../peft/index.ts'
import {
  givenLora,
  loraOptions,
  programLayer,
  refuseOtherLora,
  type TrainOptions,
  type TrainOptionsInput,
} from './options/index.ts'

/**
 * Puts the adapter on the model that a run trains: the one that it goes on from, else the one that the model has, else a new one;
 * without lora none.
 *
 * @param newTokenIds  tokens that the model has never seen: a new adapter trains their rows
 */
export async function addRunAdapter(
  model: AutoModelForCausalLM,
  { adapter, lora, seed }: Pick<TrainOptions, 'adapter' | 'lora' | 'seed'>,
  newTokenIds: readonly number[],
): Promise<void> {
  if (adapter) await model.loadAdapter(adapter)
  else if (lora && !model.adapterConfig)
    await model.addAdapter({ ...trainingRows(model, newTokenIds, lora), ...loraOptions(lora) }, seed)
}

/**
 * Refuses options of LoRA that the adapter a run goes on from does not have.
 *
 * @param given  what was passed to the run, before defaults were filled in
 * @throws FettleError that names each of them, and where the adapter cannot be read
 */
export async function refuseOtherAdapter(
  model: AutoModelForCausalLM,
  { adapter }: Pick<TrainOptions, 'adapter'>,
  given: TrainOptionsInput,
): Promise<void> {
  const config = adapter === null ? model.adapterConfig : (await readAdapterConfig(adapter)).values
  if (config === null) return
  const { architecture } = internalsOf(model).state
  const modules = linearParameters(architecture).flatMap(({ parts }) =>
    parts.map(({ safetensors: { name } }) => name.slice(0, name.lastIndexOf('.'))),
  )
  refuseOtherLora(config, givenLora([programLayer(given)]), modules)
}

/**
 * The part of a LoRA configuration that trains the rows of new tokens, in the embedding and in a head of its own,
 * unless `modules_to_save` trains these whole.
 */
function trainingRows(
  model: AutoModelForCausalLM,
  newTokenIds: readonly number[],
  { modulesToSave = [], ensureWeightTying }: LoraOptions,
): Partial<LoraConfig> {
  const ids = [...newTokenIds]
  const { embedding, head, isTied } = internalsOf(model).state.architecture
  const tables = [embedding.table, head].map(leafName)
  const isWhole = (table: string) => modulesToSave.some((name) => `.${name}`.endsWith(`.${table}`))
  const rest = tables.filter((table) => !isWhole(table))
  if (ids.length === 0 || rest.length === 0 || (isTied && ensureWeightTying && rest.length === 1)) return {}
  if (isTied && rest.length === 2) return { trainableTokenIndices: ids }
  return { trainableTokenIndices: Object.fromEntries(rest.map((table) => [table, ids])) }
}
