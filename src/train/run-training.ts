import type { Document } from '../batch/index.ts'
import { saveModel } from './checkpoint.ts'
import type { StartEvent, StepEvent, TrainEvent } from './events.ts'
import { peakRssMib } from './peak-memory.ts'
import type { TrainingTask } from './task.ts'
import { openRun } from './training-run.ts'

/**
 * Trains, evaluates and saves; everything that happens is an event. With the same task and thread count it gives the same
 * bits, also when it was interrupted and resumed.
 *
 * @throws FettleError (exit code 1) when the loss is no longer a number, with the last good state saved
 */
export async function* runTraining<D extends Document>(
  task: TrainingTask<D>,
): AsyncGenerator<TrainEvent, void, undefined> {
  const { model, tokenizer, data, options, signal } = task
  const { outputDir, loggingSteps, evalSteps, saveSteps } = options
  const { steps, evaluation } = data
  const run = await openRun(task)
  yield startEvent(task, run.step)

  let savedAt = run.step
  let tokens = 0
  let last: StepEvent | undefined
  const begun = performance.now()
  const checkpoint = async (): Promise<TrainEvent> => {
    savedAt = run.step
    return run.checkpoint()
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
  } finally {
    await run.rest()
  }
  const interrupted = run.step < steps
  if (interrupted && savedAt !== run.step) yield await checkpoint()
  await saveModel(model, tokenizer, outputDir)
  yield {
    type: 'end',
    step: run.step,
    loss: last?.loss ?? Number.NaN,
    interrupted,
    elapsed_ms: performance.now() - task.begun,
    tokens_per_second: (tokens / (performance.now() - begun)) * 1000,
    peak_rss_mib: peakRssMib(),
    output_dir: outputDir,
  }
}

function startEvent<D extends Document>(
  { model, data, options }: TrainingTask<D>,
  firstStep: number,
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
    first_step: firstStep,
    output_dir: options.outputDir,
  }
}
