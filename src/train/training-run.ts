import type { Document, TrainingBatch } from '../batch/index.ts'
import { formatOrigin } from '../data/index.ts'
import { FettleError } from '../error.ts'
import { makeFolder } from '../formats/index.ts'
import type { AutoModelForCausalLM } from '../model/index.ts'
import { internalsOf } from '../model/index.ts'
import { keepNewest, restoreCheckpoint, saveCheckpoint } from './checkpoint.ts'
import { evaluate } from './evaluate.ts'
import type { CheckpointEvent, EvalEvent, StepEvent } from './events.ts'
import { createForwardPasses } from './forward-passes.ts'
import { addGradients, type StepGradients } from './gradients.ts'
import { passSize } from './pass-size.ts'
import { peakRssMib } from './peak-memory.ts'
import { learningRateAt } from './schedule.ts'
import type { LoopOptions, TrainingData, TrainingTask } from './task.ts'
import { trainedStates } from './trained-states.ts'

/** A run under way. What computes waits for the model's calls before it. */
export interface TrainingRun<D extends Document> {
  /** Steps made. */
  readonly step: number
  /**
   * Makes a step.
   *
   * @param begun  when the first one began, by performance.now()
   * @throws FettleError (exit code 1) when the loss is no longer a number, with the state before the step saved
   */
  trainStep(begun: number): Promise<StepEvent>
  evaluate(batches: Iterable<TrainingBatch<D>>): Promise<EvalEvent>
  checkpoint(): Promise<CheckpointEvent>
  /** Gives back the memory of the passes. */
  rest(): Promise<void>
}

/** Makes ready what a task asks for, as far as its checkpoint had come. */
export async function openRun<D extends Document>({
  model,
  tokenizer,
  objective,
  data,
  options,
  ...task
}: TrainingTask<D>): Promise<TrainingRun<D>> {
  const { outputDir, seed, maxGradNorm, lowMemory, gradientCheckpointing } = options
  const internals = internalsOf(model)
  const training = await internals.training()
  const optimiser = task.optimiser(training.trainable)
  const update = training.updateBy(optimiser.commands)
  const states = trainedStates(internals, training, optimiser)
  const { perPass } = passSize(internals.activationBytesPerToken(), lowMemory)
  const forward = createForwardPasses(internals, perPass)
  const fingerprint = { ...fingerprintOf(model, data, options), ...task.fingerprint }
  await makeFolder(outputDir)
  let step = 0
  let passes = 0
  if (task.resumeFrom) {
    const saved = await restoreCheckpoint(task.resumeFrom, states, fingerprint)
    await internals.inTurn(() => training.parametersChanged())
    step = saved.step
    passes = saved.passes ?? 0
  }

  const rest = (): Promise<void> =>
    internals.inTurn(async () => {
      training.streamWeights(0)
      training.rest()
    })
  const save = (): Promise<string> =>
    saveCheckpoint(model, tokenizer, states, outputDir, { step, steps: data.steps, passes, fingerprint })

  return {
    get step() {
      return step
    },
    rest,
    evaluate: (batches) => internals.inTurn(() => evaluate(objective, batches, forward, step)),
    async checkpoint() {
      await rest()
      const path = await save()
      await keepNewest(outputDir, options.saveTotalLimit)
      return { type: 'checkpoint', step, path }
    },
    async trainStep(begun) {
      const stepBegun = performance.now()
      const { epoch, batches } = await data.stepAt(step)
      const learningRate = learningRateAt(step, data.steps, options)
      const how = { seed, maxGradNorm, lowMemory, gradientCheckpointing, passesBefore: passes }
      const made = await internals.inTurn(async () => {
        const gradients = await addGradients(objective, batches, internals, training, forward, how)
        if (!isFinite(gradients)) return gradients
        optimiser.begin({ learningRate, step: step + 1 })
        await update()
        return gradients
      })
      if (!isFinite(made)) throw divergence(step, made, batches, await save())
      step += 1
      passes += made.passes
      const elapsedMs = performance.now() - stepBegun
      const tokens = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
      return {
        type: 'step',
        step,
        epoch,
        loss: made.loss,
        grad_norm: made.norm,
        learning_rate: learningRate,
        tokens,
        learned_tokens: batches.reduce((sum, { learnedTokens }) => sum + learnedTokens, 0),
        tokens_per_second: (tokens / elapsedMs) * 1000,
        elapsed_ms: performance.now() - begun,
        peak_rss_mib: peakRssMib(),
        ...(made.metrics && { metrics: made.metrics }),
      }
    },
  }
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

function isFinite({ loss, norm }: StepGradients): boolean {
  return Number.isFinite(loss) && Number.isFinite(norm)
}

/** @param path  the state of the step before: the update was not made */
function divergence(
  step: number,
  { loss, norm }: StepGradients,
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
