import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FettleError, listNames } from '../../error.ts'
import { makeFolder, movePath, removePath, syncFolder, writeFileAtomic } from '../../formats/index.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import { formatGenerationConfig, type Tokenizer } from '../../tokenizer/index.ts'
import { checkHashes, writeHashes } from './file-hashes.ts'
import { readTrainerState, stateFile, writeTrainerState, type TrainerState } from './records.ts'
import { readStates, writeStates, type TrainedStates } from './trained-states.ts'

const optimizerFile = 'optimizer.safetensors'

/** What `saveModel` may write. */
export const modelFiles: readonly string[] = [
  'adapter_config.json',
  'adapter_model.safetensors',
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'added_tokens.json',
  'additional_chat_templates',
  'chat_template.jinja',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
]

/** Writes what a server needs: the adapter (or the whole model), the tokenizer with its template, the stop tokens. */
export async function saveModel(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  folder: string,
): Promise<void> {
  await makeFolder(folder)
  await tokenizer.save(folder)
  if (!model.adapterConfig) {
    await model.save(folder)
    return
  }
  const generation = `${JSON.stringify(formatGenerationConfig(model.generationConfig), null, 2)}\n`
  await writeFileAtomic(join(folder, 'generation_config.json'), generation)
  await model.saveAdapter(folder)
}

/**
 * Writes `checkpoint-<step>` beside its final name, with a hash of each file, and renames it: a checkpoint is whole or not there.
 *
 * @returns its path
 */
export async function saveCheckpoint(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  states: TrainedStates,
  folder: string,
  state: TrainerState,
  kind: 'checkpoint' | 'diverged' = 'checkpoint',
): Promise<string> {
  const path = join(folder, `${kind}-${state.step}`)
  const unfinished = `${path}.unfinished`
  await removePath(unfinished)
  try {
    await saveModel(model, tokenizer, unfinished)
    await writeStates(join(unfinished, optimizerFile), states)
    await writeTrainerState(unfinished, state)
    await writeHashes(unfinished)
    await putInPlace(unfinished, path)
  } catch (error) {
    await removePath(unfinished)
    throw error
  }
  return path
}

/** Renames a folder, also over another one: at every moment the old or the new one is there, or comes back by `sweep`. */
async function putInPlace(from: string, to: string): Promise<void> {
  const replaced = `${to}.replaced`
  await removePath(replaced)
  if (existsSync(to)) await movePath(to, replaced)
  await movePath(from, to)
  await syncFolder(dirname(to))
  await removePath(replaced)
}

/** Removes a folder; nobody sees a part of it under its name. */
export async function removeFolder(path: string): Promise<void> {
  const removed = `${path}.removed`
  await removePath(removed)
  await movePath(path, removed)
  await removePath(removed)
}

/** Why a folder of a run is no checkpoint to go on from: its weights give no finite loss, it is not whole, of another run, or left behind. */
export type SetAside = 'diverged' | 'damaged' | 'foreign' | 'superseded'

/**
 * Gives a checkpoint the name of what it is.
 *
 * @returns its new path
 */
export async function setAside(path: string, as: SetAside): Promise<string> {
  const to = join(dirname(path), basename(path).replace('checkpoint', as))
  await putInPlace(path, to)
  return to
}

/** The checkpoint of a step, if there is one, as one that diverged. */
export async function setAsDiverged(folder: string, step: number): Promise<string | undefined> {
  const path = join(folder, `checkpoint-${step}`)
  return existsSync(path) ? setAside(path, 'diverged') : undefined
}

/** What a process that ended while it wrote left behind; whoever calls it holds the folder's lock. */
export async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const [, whole, left] = /^([a-z]+-\d+)\.(unfinished|removed|replaced)$/.exec(name) ?? []
    if (left === 'replaced' && !existsSync(join(folder, whole))) await movePath(path, join(folder, whole))
    else if (left !== undefined || /^\..+\.\d+\.[0-9a-f]{8}\.tmp$/.test(name)) await removePath(path)
  }
}

/** Steps of the checkpoints in a run's folder, ascending. */
export async function checkpointSteps(folder: string): Promise<number[]> {
  if (!existsSync(folder)) return []
  const steps = (await readdir(folder)).flatMap((name) => {
    const match = /^checkpoint-(\d{1,15})$/.exec(name)
    return match ? [Number(match[1])] : []
  })
  return steps.toSorted((a, b) => a - b)
}

/** The newest checkpoint of fewer steps, if there is one. */
export async function lastCheckpointBefore(folder: string, step: number): Promise<string | undefined> {
  const last = (await checkpointSteps(folder)).findLast((other) => other < step)
  return last === undefined ? undefined : join(folder, `checkpoint-${last}`)
}

/**
 * Removes all checkpoints but the newest `limit`; without a limit none.
 *
 * @param best  the step of one that stays besides
 */
export async function keepNewest(folder: string, limit: number | undefined, best?: number): Promise<void> {
  if (limit === undefined) return
  for (const step of (await checkpointSteps(folder)).slice(0, -limit))
    if (step !== best) await removeFolder(join(folder, `checkpoint-${step}`))
}

/**
 * Reads how far a checkpoint is, when each of its files is as it was written.
 *
 * @throws FettleError that names what is missing or damaged
 */
export async function checkCheckpoint(path: string): Promise<TrainerState> {
  // One of an older fettle has no hashes: its state says so.
  if (!existsSync(join(path, 'SHA256SUMS'))) await readTrainerState(path)
  const names = await checkHashes(path)
  const weights = ['adapter_model.safetensors', 'model.safetensors']
  const missing = [stateFile, optimizerFile].filter((name) => !names.includes(name))
  if (missing.length > 0 || !weights.some((name) => names.includes(name)))
    throw new FettleError({
      place: path,
      found: `files ${listNames(names)}`,
      expected: `${stateFile}, ${optimizerFile} and ${weights.join(' or ')}`,
    })
  const state = await readTrainerState(path)
  const [, number] = /^checkpoint-(\d+)$/.exec(basename(path)) ?? []
  if (number !== undefined && Number(number) !== state.step)
    throw new FettleError({
      place: join(path, stateFile),
      found: `step ${state.step}`,
      expected: `step ${number}, as the folder is called`,
    })
  return state
}

/**
 * Puts parameters and optimiser back to where a checkpoint was written.
 *
 * @throws FettleError when it was written by another optimiser or for another model
 */
export async function restoreCheckpoint(path: string, states: TrainedStates): Promise<void> {
  await readStates(join(path, optimizerFile), states)
}
