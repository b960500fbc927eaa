import type { Document, TrainingBatch } from '../batch/index.ts'
import { formatOrigin } from '../data/index.ts'
import { FettleError } from '../error.ts'
import { makeFolder } from '../formats/index.ts'
import type { AutoModelForCausalLM } from '../model/index.ts'
import { internalsOf } from '../model/index.ts'
import { keepNewest, restoreCheckpoint, saveCheckpoint, saveModel } from './checkpoint.ts'
import { evaluate } from './evaluate.ts'
import type { StartEvent, StepEvent, TrainEvent } from './events.ts'
import { createForwardPasses } from './forward-passes.ts'
import { addGradients } from './gradients.ts'
import { passSize } from './pass-size.ts'
import { learningRateAt } from './schedule.ts'
import type { LoopOptions, TrainingData, TrainingTask } from './task.ts'
import { trainedStates } from './trained-states.ts'

/**
 * Trains, evaluates and saves; everything that happens is an event. With the same task and thread count it gives the same
 * bits, also when it was interrupted and resumed.
 *
 * @throws FettleError (exit code 1) when the loss is no longer a number, with the last good state saved
 */
export async function* runTraining<D extends Document>({
  model,
  tokenizer,
  objective,
  data,
  options,
  signal,
  ...task
}: TrainingTask<D>): AsyncGenerator<TrainEvent, void, undefined> {
  const { outputDir, loggingSteps, evalSteps, saveSteps } = options
  const { steps, evaluation } = data
  const internals = internalsOf(model)
  const training = await internals.training()
  const optimiser = task.optimiser(training.trainable)
  const update = training.updateBy(optimiser.commands)
  const states = trainedStates(internals, training, optimiser)
  const { perPass } = passSize(internals.activationBytesPerToken(), options.lowMemory)
  const forward = createForwardPasses(internals.passes, perPass)
  const fingerprint = { ...fingerprintOf(model, data, options), ...task.fingerprint }
  await makeFolder(outputDir)
  const { step: firstStep = 0, passes: firstPass = 0 } =
    (task.resumeFrom && (await restoreCheckpoint(task.resumeFrom, states, fingerprint))) || {}
  if (task.resumeFrom) await training.parametersChanged()
  let [step, passes] = [firstStep, firstPass]
  yield startEvent(model, data, outputDir, step)

  let savedAt = step
  let tokens = 0
  let last: StepEvent | undefined
  const trainingBegun = performance.now()
  try {
    if (evaluation && step === 0) yield await evaluated(evaluation)
    while (step < steps && !signal?.aborted) {
      last = await trainStep()
      step += 1
      tokens += last.tokens
      const isDue = (every: number) => every > 0 && step % every === 0
      if (isDue(loggingSteps) || step === steps) yield last
      if (evaluation && (isDue(evalSteps) || step === steps)) yield await evaluated(evaluation)
      if (isDue(saveSteps) && step < steps) yield await checkpoint()
    }
  } finally {
    await internals.inTurn(async () => {
      training.streamWeights(0)
      training.rest()
    })
  }
  const interrupted = step < steps
  if (interrupted && savedAt !== step) yield await checkpoint()
  await saveModel(model, tokenizer, outputDir)
  yield {
    type: 'end',
    step,
    loss: last?.loss ?? Number.NaN,
    interrupted,
    elapsed_ms: performance.now() - task.begun,
    tokens_per_second: (tokens / (performance.now() - trainingBegun)) * 1000,
    peak_rss_mib: peakRssMib(),
    output_dir: outputDir,
  }

  async function trainStep(): Promise<StepEvent> {
    const begun = performance.now()
    const { epoch, batches } = await data.stepAt(step)
    const made = { ...options, passesBefore: passes }
    const learningRate = learningRateAt(step, steps, options)
    const found = await internals.inTurn(async () => {
      const gradients = await addGradients(objective, batches, internals, training, forward, made)
      if (!isFinite(gradients)) return gradients
      optimiser.begin({ learningRate, step: step + 1 })
      await update()
      return gradients
    })
    const { loss, norm, metrics } = found
    if (!isFinite(found)) throw divergence(step, loss, norm, batches, await save())
    passes += found.passes
    const elapsed = performance.now() - begun
    const count = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
    return {
      type: 'step',
      step: step + 1,
      epoch,
      loss,
      grad_norm: norm,
      learning_rate: learningRate,
      tokens: count,
      learned_tokens: batches.reduce((sum, { learnedTokens }) => sum + learnedTokens, 0),
      tokens_per_second: (count / elapsed) * 1000,
      elapsed_ms: performance.now() - trainingBegun,
      peak_rss_mib: peakRssMib(),
      ...(metrics && { metrics }),
    }
  }

  function evaluated(held: NonNullable<typeof evaluation>): Promise<TrainEvent> {
    return internals.inTurn(() => evaluate(objective, held.batches(), forward, step))
  }

  async function checkpoint(): Promise<TrainEvent> {
    await internals.inTurn(async () => training.rest())
    const path = await save()
    await keepNewest(outputDir, options.saveTotalLimit)
    savedAt = step
    return { type: 'checkpoint', step, path }
  }

  function save(): Promise<string> {
    return saveCheckpoint(model, tokenizer, states, outputDir, { step, steps, passes, fingerprint })
  }
}

function isFinite({ loss, norm }: { loss: number; norm: number }): boolean {
  return Number.isFinite(loss) && Number.isFinite(norm)
}

/** What must be the same for a resumed run to be the same run. */
function fingerprintOf(
  model: AutoModelForCausalLM,
  { summary, steps }: Pick<TrainingData, 'summary' | 'steps'>,
  options: LoopOptions,
): Record<string, unknown> {
  return {
    examples: summary.examples,
    tokens: summary.tokens,
    steps,
    seed: options.seed,
    quantization: model.activationQuantization === null ? model.quantization : 'int8, activations too',
    trainable_parameters: model.trainableCount,
    batch: [
      options.perDeviceTrainBatchSize,
      options.gradientAccumulationSteps,
      options.maxLength,
      options.packing,
    ],
  }
}

function startEvent(
  model: AutoModelForCausalLM,
  { summary, steps, stepsPerEpoch }: Pick<TrainingData, 'summary' | 'steps' | 'stepsPerEpoch'>,
  outputDir: string,
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
    ...summary,
    steps,
    steps_per_epoch: stepsPerEpoch,
    first_step: firstStep,
    output_dir: outputDir,
  }
}

/** @param path  the state of the step before: the update was not made */
function divergence(
  step: number,
  loss: number,
  norm: number,
  batches: readonly TrainingBatch<Document>[],
  path: string,
): FettleError {
  const rows = batches.flatMap(({ documents }) => documents.map(({ origin }) => formatOrigin(origin)))
  const others = rows.length > 8 ? ` and ${rows.length - 8} more` : ''
  return new FettleError(
    {
      place: `step ${step + 1}, rows ${rows.slice(0, 8).join(', ')}${others}`,
      found: Number.isFinite(loss) ? `gradient norm ${norm}` : `loss ${loss}`,
      expected: 'a finite number',
      cure: `Lower learning_rate or max_grad_norm, or look at these rows; the last good state is ${path}.`,
    },
    { exitCode: 1 },
  )
}

function peakRssMib(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024)
}
