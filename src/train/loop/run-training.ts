import type { Document } from '../../batch/index.ts'
import { FettleError } from '../../error.ts'
import { dueSteps } from './due-steps.ts'
import type { EvalEvent, StartEvent, StepEvent, TrainEvent } from '../events.ts'
import type { TrainOptions } from '../options/index.ts'
import { peakRssMib } from '../memory/index.ts'
import { openRunFolder, type RunFolder } from '../runs/index.ts'
import { createSampler } from './samples.ts'
import type { TrainingTask } from '../task.ts'
import { trackedRun } from './tracked-run.ts'
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
  if (task.folder) return yield* trackedRun(task.folder, task.options, trainIn(task.folder, task))
  const { resumeFrom = task.options.resumeFromCheckpoint } = task
  const folder = await openRunFolder(task.model, { ...task.options, resumeFromCheckpoint: resumeFrom })
  try {
    yield* trackedRun(folder, task.options, trainIn(folder, task))
  } finally {
    await folder.close()
  }
}

async function* trainIn<D extends Document>(
  folder: RunFolder,
  task: TrainingTask<D>,
): AsyncGenerator<TrainEvent, void, undefined> {
  const { data, signal, options } = task
  const { evalStrategy, saveStrategy, saveSteps, loadBestModelAtEnd } = options
  const { steps, evaluation } = data
  const due = dueSteps(options, data)
  const evaluates = evaluation !== undefined && evalStrategy !== 'no'
  if (!evaluates) refuseWithoutEvaluation(options)
  const run = await openRun(task, folder)
  const sampler = await createSampler(task.model, task.tokenizer, data, options)
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
  const evaluated = async (): Promise<EvalEvent> => {
    await evaluation?.begin?.()
    return run.evaluate(evaluation?.batches() ?? [])
  }
  const isOver = (): boolean => run.step === steps || run.stopReason !== undefined
  try {
    const first = evaluates && run.step === 0 ? await unlessStopped(evaluated(), signal) : undefined
    if (first) yield first
    const before = run.step === 0 ? await sampler.sample(0) : undefined
    if (before) yield before
    while (!isOver() && !signal?.aborted) {
      const made = await unlessStopped(run.trainStep(begun), signal)
      if (!made) break
      last = made
      tokens += last.tokens
      const isLast = run.step === steps
      if (run.step % due.logging === 0 || isLast) yield last
      if (evaluates && (due.evaluation(run.step) || isLast)) {
        const told = await unlessStopped(evaluated(), signal)
        if (!told) break
        yield told
        const during = sampler.isFrequent && !isOver() ? await sampler.sample(run.step) : undefined
        if (during) yield during
        if (loadBestModelAtEnd && told.best === true) yield await checkpoint()
      }
      if (due.checkpoint(run.step) && !isLast && savedAt !== run.step) yield await checkpoint()
    }
    trainedMs = performance.now() - begun
    if (isOver()) await run.check()
  } finally {
    await run.rest()
  }
  const interrupted = !isOver()
  if (interrupted && savedAt !== run.step) yield await checkpoint()
  // What a run is extended from; the end says where it is.
  else if (saveSteps > 0 && saveStrategy !== 'no' && savedAt !== run.step) await checkpoint()
  const result = await run.saveResult(interrupted)
  const after =
    interrupted || last === undefined
      ? undefined
      : await sampler.sample(result.best?.loaded === true ? result.best.step : run.step)
  if (after) yield after
  const { stopReason } = run
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
    ...result,
    ...(stopReason !== undefined && { stopped_early: stopReason }),
  }
}

/** What is waited for; undefined where the signal, at which it gives up, came first. */
async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return undefined
    throw error
  }
}

/** @throws FettleError that names the options which wait for evaluations that never come */
function refuseWithoutEvaluation(options: TrainOptions): void {
  const waiting = [
    ...(options.earlyStoppingPatience === undefined ? [] : ['early_stopping_patience']),
    ...(options.loadBestModelAtEnd ? ['load_best_model_at_end'] : []),
    ...(options.lrSchedulerType === 'reduce_lr_on_plateau'
      ? ['lr_scheduler_type: reduce_lr_on_plateau']
      : []),
  ]
  if (waiting.length > 0)
    throw new FettleError(
      waiting.map((place) => ({
        place,
        found: options.evalStrategy === 'no' ? 'eval_strategy: no' : 'no held-out data',
        expected: 'evaluations, which it decides by',
        cure: 'Give eval_data, and eval_strategy: steps or epoch.',
      })),
    )
}

function startEvent<D extends Document>(
  { model, data, passes }: TrainingTask<D>,
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
    ...(passes && { batch: passes.told }),
    first_step: step,
    run_id: folder.run.id,
    ...(notes.length > 0 && { notes }),
    output_dir: folder.path,
  }
}
