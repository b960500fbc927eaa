import { createReadStream } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Document } from '../../batch/index.ts'
import { FettleError } from '../../error.ts'
import { makeFolder, removePath, writeAtomically } from '../../formats/index.ts'
import {
  dueSteps,
  learningRateAt,
  handedStart,
  type HandedStart,
  type RunFolder,
  type TrainingTask,
} from '../../train/index.ts'
import { version } from '../../version.ts'
import { handedOptimiser, objectiveOf, refuseUnhanded } from './objective.ts'
import { chosenTokens, rowsOf } from './rows.ts'
import { handOffVersion, type HandOffRecord, type HandOffShard, type HandOffStep } from './schema.ts'
import { createShardWriter } from './shard-writer.ts'

/** What was written. */
export interface HandOff {
  folder: string
  steps: number
  rows: number
  /** Numbers that are trained. */
  parameters: number
  /** What is to be said of it. */
  notes: readonly string[]
}

/**
 * Writes a run for another engine: run.json, shards of rows in the order in which they are learned, and adapter_init/, a checkpoint of
 * where the run begins or goes on. run.json comes last: a folder that has it is whole. Memory does not grow with the data.
 *
 * @param given  where; without it the run's own folder is begun, and has it in hand-off/
 * @throws FettleError for options that the runner does not carry out
 */
export async function writeHandOff<D extends Document>(
  task: TrainingTask<D> & { folder: RunFolder },
  given?: string,
): Promise<HandOff> {
  const { data, options, signal } = task
  refuseUnhanded(task as unknown as TrainingTask)
  const start = await handedStart(task, task.folder, given === undefined)
  const folder = given ?? join(task.folder.path, 'hand-off')
  await makeFolder(folder)
  await removePath(join(folder, 'run.json'))
  await start.write(join(folder, 'adapter_init'))
  const rows = createShardWriter(folder, 'shard')
  const due = dueSteps(options, data)
  const evaluates = options.method === 'sft' && data.evaluation !== undefined && options.evalStrategy !== 'no'
  const chosen = options.method === 'orpo' || options.method === 'cpo'
  const listed = join(folder, '.steps.tmp')
  const steps = await open(listed, 'w')
  try {
    for (let number = 0; number < data.steps; number += 1) {
      signal?.throwIfAborted()
      const { epoch, batches } = await data.stepAt(number)
      const first = rows.rows
      const sizes: number[] = []
      for (const batch of batches) {
        const own = rowsOf(batch, options)
        sizes.push(own.length)
        for (const row of own) await rows.add(row)
      }
      const step: HandOffStep = {
        rows: [first, rows.rows - first],
        tokens: batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0),
        learned_tokens: batches.reduce((sum, { learnedTokens }) => sum + learnedTokens, 0),
        learning_rate: learningRateAt(number, data.steps, options),
        epoch,
        ...(options.method !== 'sft' && { micro_batches: sizes }),
        ...(chosen && { chosen_tokens: batches.map(chosenTokens) }),
        ...(evaluates && due.evaluation(number + 1) && { evaluate: true as const }),
        ...(due.checkpoint(number + 1) && { save: true as const }),
      }
      await steps.write(`${number === 0 ? '' : ',\n'}${JSON.stringify(step)}`)
    }
    await steps.close()
    const evaluation = evaluates ? await writeEvaluation(task, folder) : null
    const notes = [...start.notes, ...notesOf(task as unknown as TrainingTask, evaluates)]
    const shards = await rows.finish()
    const record = await recordOf(task as unknown as TrainingTask, {
      folder,
      start,
      shards,
      evaluation,
      notes,
    })
    const text = JSON.stringify({ ...record, logging_steps: due.logging }, null, 1).replace(
      /\n}$/,
      ',\n "steps": [\n',
    )
    await writeAtomically(join(folder, 'run.json'), async (file) => {
      await file.write(text)
      for await (const piece of createReadStream(listed)) await file.write(piece as Buffer)
      await file.write('\n]}\n')
    })
    return { folder, steps: data.steps, rows: rows.rows, parameters: start.size, notes }
  } finally {
    await steps.close().catch(() => {})
    await removePath(listed)
  }
}

async function writeEvaluation<D extends Document>(
  { data, options }: TrainingTask<D>,
  folder: string,
): Promise<{ shards: HandOffShard[] }> {
  const rows = createShardWriter(folder, 'evaluation')
  for (const batch of data.evaluation?.batches() ?? [])
    for (const row of rowsOf(batch, options)) await rows.add(row)
  return { shards: await rows.finish() }
}

/** What this engine would do and the runner does not. */
function notesOf({ data, options }: TrainingTask, evaluates: boolean): string[] {
  const isLeftOut = data.evaluation !== undefined && !evaluates && options.evalStrategy !== 'no'
  return isLeftOut ? ['eval_data are not evaluated: the runner does that with method: sft only'] : []
}

async function recordOf(
  { model, data, options }: TrainingTask,
  {
    folder,
    start,
    shards,
    evaluation,
    notes,
  }: {
    folder: string
    start: HandedStart
    shards: HandOffShard[]
    evaluation: HandOffRecord['evaluation']
    notes: readonly string[]
  },
): Promise<Omit<HandOffRecord, 'steps' | 'logging_steps'>> {
  const { dtype, quantization, nameOrPath } = model
  if (dtype !== 'float32' && dtype !== 'bfloat16')
    throw new FettleError({ place: 'dtype', found: dtype, expected: 'float32 or bfloat16 on another engine' })
  const optimiser = handedOptimiser(options)
  if (!optimiser) throw new Error(`no optimiser ${options.optim}`)
  const { prepared: _, ...summary } = data.summary
  return {
    format: 'fettle-hand-off',
    version: handOffVersion,
    fettle: version(),
    model: {
      path: resolve(nameOrPath),
      hash: start.identity.base,
      dtype,
      quantization: quantization as HandOffRecord['model']['quantization'],
      double_quantization: model.doubleQuantization,
    },
    lora: model.adapterConfig && (await readJson(join(folder, 'adapter_init', 'adapter_config.json'))),
    parameters: {
      size: start.size,
      tensors: start.tensors.map(({ weightDecay, learningRateFactor, shape, ...tensor }) => ({
        ...tensor,
        shape: [...shape],
        weight_decay: weightDecay,
        learning_rate_factor: learningRateFactor,
      })),
    },
    optimiser,
    objective: objectiveOf(options, model.generationConfig.eosTokenIds ?? []),
    seed: options.seed,
    gradient_checkpointing: options.gradientCheckpointing,
    save_total_limit: options.saveTotalLimit ?? null,
    packed: options.packing || options.method !== 'sft',
    shards,
    evaluation,
    checkpoint: plain({ run: start.run, identity: start.identity }),
    start: plain({
      model: nameOrPath,
      dtype,
      parameters: model.parameterCount,
      trainable_parameters: model.trainableCount,
      ...summary,
      steps: data.steps,
      steps_per_epoch: data.stepsPerEpoch,
      run_id: start.run.id,
      ...(notes.length > 0 && { notes }),
    }),
  }
}

async function readJson(path: string): Promise<HandOffRecord['lora']> {
  return JSON.parse(await readFile(path, 'utf8')) as HandOffRecord['lora']
}

/** As JSON has it. */
function plain<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value)) as T
}
