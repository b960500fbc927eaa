import type { Document } from '../batch/index.ts'
import type { StartEvent, StepEvent, TrainEvent } from './events.ts'
import { peakRssMib } from './peak-memory.ts'
import { openRunFolder, type RunFolder } from './runs/index.ts'
import type { TrainingTask } from './task.ts'
import { openRun, type TrainingRun } from './training-run.ts'

/**
 * Trains, evaluates and saves; everything that happens is an event. With the same task and thread count it gives the same
 * bits, also when it was interrupted and resumed.
 *
 * @throws FettleError (exit code 1) when the loss is no longer a number; the last state that gave one is named
 */
export async function* runTraining<D extends Document>(
  task: TrainingTask<D>,
): AsyncGenerator<TrainEvent, void, undefined> {
  if (task.folder) return yield* trainIn(task.folder, task)
  const { resumeFrom = task.options.resumeFromCheckpoint } = task
  const folder = await openRunFolder(task.model, { ...task.options, resumeFromCheckpoint: resumeFrom })
  try {
    yield* trainIn(folder, task)
  } finally {
    await folder.close()
  }
}

async function* trainIn<D extends Document>(
  folder: RunFolder,
  task: TrainingTask<D>,
): AsyncGenerator<TrainEvent, void, undefined> {
  const { data, signal } = task
  const { loggingSteps, evalSteps, saveSteps } = task.options
  const { steps, evaluation } = data
  const run = await openRun(task, folder)
  yield startEvent(task, run, folder)

  let savedAt = run.step
  let tokens = 0
  let last: StepEvent | undefined
  const begun = performance.now()
  let trainedMs = 0
  let saved = folder.from?.path
  const checkpoint = async (): Promise<TrainEvent> => {
    savedAt = run.step
    const event = await run.checkpoint()
    saved = event.path
    return event
  }
  try {
    if (evaluation && run.step === 0) yield await run.evaluate(evaluation.batches())
    while (run.step < steps && !signal?.aborted) {
      last = await run.trainStep(begun)
      tokens += last.tokens
      const isLast = run.step === steps
      const isDue = (every: number) => every > 0 && run.step % every === 0
      if (isDue(loggingSteps) || isLast) yield last
      if (evaluation && (isDue(evalSteps) || isLast)) yield await run.evaluate(evaluation.batches())
      if (isDue(saveSteps) && !isLast) yield await checkpoint()
    }
    trainedMs = performance.now() - begun
    if (run.step === steps) await run.check()
  } finally {
    await run.rest()
  }
  const interrupted = run.step < steps
  if (interrupted && savedAt !== run.step) yield await checkpoint()
  // What a run is extended from; the end says where it is.
  else if (saveSteps > 0 && savedAt !== run.step) await checkpoint()
  await run.saveResult(interrupted)
  yield {
    type: 'end',
    step: run.step,
    loss: last?.loss ?? Number.NaN,
    interrupted,
    elapsed_ms: performance.now() - task.begun,
    tokens_per_second: (tokens / trainedMs) * 1000,
    peak_rss_mib: peakRssMib(),
    output_dir: folder.path,
    ...(saved !== undefined && { checkpoint: saved }),
  }
}

function startEvent<D extends Document>(
  { model, data }: TrainingTask<D>,
  { step, notes }: TrainingRun<D>,
  folder: RunFolder,
): StartEvent {
  const { name, isa, threads } = model.engine
  return {
    type: 'start',
    model: model.nameOrPath,
    engine: name,
    isa,
    threads,
    dtype: model.dtype,
    parameters: model.parameterCount,
    trainable_parameters: model.trainableCount,
    ...data.summary,
    steps: data.steps,
    steps_per_epoch: data.stepsPerEpoch,
    first_step: step,
    run_id: folder.run.id,
    ...(notes.length > 0 && { notes }),
    output_dir: folder.path,
  }
}
