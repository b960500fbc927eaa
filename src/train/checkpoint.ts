import { existsSync } from 'node:fs'
import { readFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError, messageOf } from '../error.ts'
import { makeFolder, writeFileAtomic } from '../formats/index.ts'
import type { AutoModelForCausalLM } from '../model/index.ts'
import { formatGenerationConfig, type Tokenizer } from '../tokenizer/index.ts'
import type { TrainOptions } from './options/index.ts'
import { readStates, writeStates, type TrainedStates } from './trained-states.ts'

/** How far a run is. The order of the data follows from the seed, so the number of steps says where it goes on. */
export interface TrainerState {
  step: number
  steps: number
  /** Training passes made so far: each draws dropout masks of its own. Absent in checkpoints that are older than this field. */
  passes?: number
  /** What must be the same for a resumed run to be the same run. */
  fingerprint: Record<string, unknown>
}

const stateFile = 'trainer_state.json'
const optimizerFile = 'optimizer.safetensors'

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
 * Writes `checkpoint-<step>` beside its final name and renames it, so that a checkpoint is whole or not there.
 *
 * @returns its path
 */
export async function saveCheckpoint(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  states: TrainedStates,
  outputDir: string,
  state: TrainerState,
): Promise<string> {
  const path = join(outputDir, `checkpoint-${state.step}`)
  const unfinished = `${path}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  try {
    await saveModel(model, tokenizer, unfinished)
    await writeStates(join(unfinished, optimizerFile), states)
    await writeFileAtomic(join(unfinished, stateFile), `${JSON.stringify(state, null, 2)}\n`)
    await rm(path, { recursive: true, force: true })
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
  return path
}

/** Steps of the checkpoints in a run's folder, ascending. */
async function checkpointSteps(outputDir: string): Promise<number[]> {
  if (!existsSync(outputDir)) return []
  const steps = (await readdir(outputDir)).flatMap((name) => {
    const match = /^checkpoint-(\d+)$/.exec(name)
    return match ? [Number(match[1])] : []
  })
  return steps.toSorted((a, b) => a - b)
}

/** The checkpoint with the most steps in a run's folder, if there is one. */
async function lastCheckpoint(outputDir: string): Promise<string | undefined> {
  const last = (await checkpointSteps(outputDir)).at(-1)
  return last === undefined ? undefined : join(outputDir, `checkpoint-${last}`)
}

/**
 * The checkpoint that a run goes on from, if it is to.
 *
 * @throws FettleError when there is none
 */
export async function checkpointToResume({
  resumeFromCheckpoint,
  outputDir,
}: Pick<TrainOptions, 'resumeFromCheckpoint' | 'outputDir'>): Promise<string | undefined> {
  if (resumeFromCheckpoint === false) return undefined
  const path = resumeFromCheckpoint === true ? await lastCheckpoint(outputDir) : resumeFromCheckpoint
  if (path === undefined || !existsSync(path))
    throw new FettleError({
      place: 'resume_from_checkpoint',
      found: path === undefined ? `no checkpoint in ${outputDir}` : `${path}, which does not exist`,
      expected: 'a folder checkpoint-N of an earlier run',
    })
  return path
}

/** Removes all checkpoints but the newest `limit`; without a limit none. */
export async function keepNewest(outputDir: string, limit: number | undefined): Promise<void> {
  if (limit === undefined) return
  for (const step of (await checkpointSteps(outputDir)).slice(0, -limit))
    await rm(join(outputDir, `checkpoint-${step}`), { recursive: true })
}

/**
 * Puts parameters and optimiser back to where a checkpoint was written.
 *
 * @throws FettleError when the checkpoint belongs to a run with other data or options
 */
export async function restoreCheckpoint(
  path: string,
  states: TrainedStates,
  fingerprint: Record<string, unknown>,
): Promise<TrainerState> {
  const place = join(path, stateFile)
  let state: TrainerState
  try {
    state = JSON.parse(await readFile(place, 'utf8')) as TrainerState
  } catch (error) {
    throw new FettleError(
      {
        place,
        found: messageOf(error),
        expected: 'a checkpoint that fettle train wrote',
        cure: 'Give the folder checkpoint-N of a run, or true for the last one of output_dir.',
      },
      { cause: error },
    )
  }
  const keys = new Set([...Object.keys(fingerprint), ...Object.keys(state.fingerprint)])
  const problems = [...keys].flatMap((key) => {
    const [now, then] = [fingerprint[key], state.fingerprint[key]].map(
      (value) => JSON.stringify(value) ?? 'nothing',
    )
    const cure = 'Resume with the same options and data, or start anew.'
    const expected = `${then}, as in the run that wrote it`
    return now === then ? [] : [{ place: `${place}: ${key}`, found: now, expected, cure }]
  })
  if (problems.length > 0) throw new FettleError(problems)
  await readStates(join(path, optimizerFile), states)
  return state
}
