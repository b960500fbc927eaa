import { documentStarts, splitBatch, type Batch, type Document } from '../../batch/index.ts'
import { ignoredLabel } from '../../data/index.ts'
import type { AutoModelForCausalLM, ForwardInputs } from '../../model/index.ts'
import { internalsOf, leafName, linearParameters } from '../../model/index.ts'
import { readAdapterConfig } from '../../peft/index.ts'
import type { LoraConfig, LoraOptions } from '../../peft/index.ts'
import {
  givenLora,
  loraOptions,
  programLayer,
  refuseOtherLora,
  type TrainOptions,
  type TrainOptionsInput,
} from '../options/index.ts'
import type { TrainingData } from '../task.ts'

/**
 * Puts the adapter on the model that a run trains: the one that it goes on from, else the one that the model has, else a new one;
 * without lora none.
 *
 * @param newTokenIds  tokens that the model has never seen: a new adapter trains their rows
 * @param sources      what an adapter begins with that looks at the data (EVA)
 */
export async function addRunAdapter(
  model: AutoModelForCausalLM,
  { adapter, lora, seed }: Pick<TrainOptions, 'adapter' | 'lora' | 'seed'>,
  newTokenIds: readonly number[],
  { batches, checkpoint }: AdapterSources,
): Promise<void> {
  if (adapter) await model.loadAdapter(adapter)
  else if (lora && !model.adapterConfig) {
    // Its ranks follow from the data: they are found once.
    if (checkpoint !== undefined && lora.initLoraWeights === 'eva') await model.loadAdapter(checkpoint)
    else
      await model.addAdapter(
        { ...trainingRows(model, newTokenIds, lora), ...loraOptions(lora) },
        { seed, batches },
      )
  }
}

/** What a new adapter may begin with. */
export interface AdapterSources {
  /** The run's own data. */
  batches: () => AsyncIterable<ForwardInputs>
  /** The checkpoint that the run goes on from. */
  checkpoint?: string | undefined
}

/** Tokens that a pass of the data takes at most, before training: its activations are all kept. */
const tokensPerPass = 1024

/** The batches of a run's data, a pass of some documents each. */
export async function* labelledBatches<D extends Document>(
  { steps, stepAt }: Pick<TrainingData<D>, 'steps' | 'stepAt'>,
  signal?: AbortSignal,
): AsyncGenerator<ForwardInputs, void, undefined> {
  for (let step = 0; step < steps; step += 1)
    for (const batch of (await stepAt(step)).batches)
      for (const pass of splitBatch(batch, tokensPerPass)) {
        signal?.throwIfAborted()
        yield labelledInputs(pass)
      }
}

/** A batch as the model's forward pass takes it. The first token of a document counts as learned where the second one is. */
function labelledInputs({ inputIds, targets, positionIds, documentIds }: Batch): ForwardInputs {
  const shape = [1, inputIds.length]
  const starts = documentStarts(documentIds)
  const labels = targets.map((_, i) => {
    const target = targets[starts[i] === i ? i : i - 1]
    return target === ignoredLabel ? ignoredLabel : inputIds[i]
  })
  const matrix = (data: Int32Array) => ({ data, shape })
  return {
    inputIds: matrix(inputIds),
    labels: matrix(labels),
    positionIds: matrix(positionIds),
    documentIds: matrix(documentIds),
  }
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
