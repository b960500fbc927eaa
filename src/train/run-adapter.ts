import type { AutoModelForCausalLM } from '../model/index.ts'
import { internalsOf, leafName } from '../model/index.ts'
import type { LoraConfig, LoraOptions } from '../peft/index.ts'
import { loraOptions, type TrainOptions } from './options/index.ts'

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
