import { existsSync } from 'node:fs'
import type { Batch } from '../batch/index.ts'
import { FettleError } from '../error.ts'
import { formatOrigin } from '../data/index.ts'
import { makeFolder } from '../formats/index.ts'
import type { AutoModelForCausalLM } from '../model/index.ts'
import { internalsOf } from '../model/index.ts'
import type { LoraConfig, LoraOptions } from '../peft/index.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import { alignSpecialTokens } from './align.ts'
import { keepNewest, lastCheckpoint, restoreCheckpoint, saveCheckpoint, saveModel } from './checkpoint.ts'
import { passSize, splitBatch, streamedLayers } from './chunks.ts'
import { evaluate } from './evaluate.ts'
import type { EvalEvent, StepEvent, TrainEvent } from './events.ts'
import type { TrainOptions } from './options.ts'
import { loraOptions } from './options.ts'
import type { TrainOptionsInput } from './options.ts'
import { prepareData } from './prepare.ts'
import { readTrainOptions } from './read-options.ts'
import { learningRateAt } from './schedule.ts'

/** A run: what is trained, on what, how, and a signal that ends it after the step that is under way. */
export type TrainSftInput = TrainOptionsInput & {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  signal?: AbortSignal
}

/**
 * Supervised fine-tuning: prepares the data, trains, evaluates and saves; everything that happens is an event.
 * With the same options, data and thread count it gives the same bits, also when it was interrupted and resumed.
 *
 * @throws FettleError (exit code 2) for wrong options or data, (1) when the loss is no longer a number
 */
export async function* trainSft({
  model,
  tokenizer,
  signal,
  ...given
}: TrainSftInput): AsyncGenerator<TrainEvent, void, undefined> {
  const input = readTrainOptions(given)
  const started = performance.now()
  if (input.quantization !== null && input.quantization !== model.quantization)
    throw new FettleError({
      place: 'quantization',
      found: `${input.quantization}, and a model with ${model.quantization ?? 'no'} quantisation`,
      expected: 'the model loaded with it: AutoModelForCausalLM.fromPretrained(path, { quantization })',
    })
  if (input.activationQuantization !== null && input.activationQuantization !== model.activationQuantization)
    throw new FettleError({
      place: 'activationQuantization',
      found: `${input.activationQuantization}, and a model that does not round activations`,
      expected:
        'the model loaded with it: AutoModelForCausalLM.fromPretrained(path, { quantization, activationQuantization })',
    })
  const resumeFrom = await checkpointToResume(input)
  const { stopTokenIds: stops, newTokenIds } = await alignSpecialTokens(model, tokenizer, input)
  const data = await prepareData(input, tokenizer, model.vocabSize)
  if (input.adapter) await model.loadAdapter(input.adapter)
  else if (input.lora && !model.adapterConfig)
    await model.addAdapter(
      { ...trainingRows(model, newTokenIds, input.lora), ...loraOptions(input.lora) },
      input.seed,
    )
  const training = await internalsOf(model).training()
  await makeFolder(input.outputDir)

  const { train, steps } = data
  const fingerprint = {
    examples: train.store.count,
    tokens: train.store.tokens,
    steps,
    seed: input.seed,
    quantization: model.activationQuantization === null ? model.quantization : 'int8, activations too',
    trainable_parameters: model.trainableCount,
    batch: [input.perDeviceTrainBatchSize, input.gradientAccumulationSteps, input.maxLength, input.packing],
  }
  const firstStep = resumeFrom ? (await restoreCheckpoint(resumeFrom, training, fingerprint)).step : 0
  yield {
    type: 'start',
    model: model.nameOrPath,
    engine: model.engine.name,
    isa: model.engine.isa,
    threads: model.engine.threads,
    dtype: model.dtype,
    parameters: model.parameterCount,
    trainable_parameters: model.trainableCount,
    examples: train.store.count,
    tokens: train.store.tokens,
    learned_tokens: train.store.learnedTokens,
    spans: { ...train.store.statuses },
    truncated_tokens: train.truncation.droppedTokens,
    truncated_stops: train.truncation.cutStops,
    examples_without_learned_tokens: train.withoutLearned,
    steps,
    steps_per_epoch: data.stepsPerEpoch,
    first_step: firstStep,
    output_dir: input.outputDir,
  }

  const { perPass, activationBytes } = passSize(internalsOf(model).activationBytesPerToken(), input.lowMemory)
  const runEvaluation = async (step: number): Promise<EvalEvent | undefined> =>
    data.evaluation && evaluate(model, data.evaluation.batches(), stops, perPass, step)
  const checkpoint = async (step: number): Promise<TrainEvent> => {
    const state = { step, steps, fingerprint }
    await training.rest()
    const path = await saveCheckpoint(model, tokenizer, training, input.outputDir, state)
    await keepNewest(input.outputDir, input.saveTotalLimit)
    return { type: 'checkpoint', step, path }
  }

  let step = firstStep
  let savedAt = firstStep
  let tokens = 0
  let last: StepEvent | undefined
  const trainingStarted = performance.now()
  try {
    if (firstStep === 0) {
      const first = await runEvaluation(0)
      if (first) yield first
    }
    while (step < steps && !signal?.aborted) {
      last = await trainStep(step)
      step += 1
      tokens += last.tokens
      if (step % input.loggingSteps === 0 || step === steps) yield last
      const evaluationDue =
        data.evaluation && (step === steps || (input.evalSteps > 0 && step % input.evalSteps === 0))
      if (evaluationDue) {
        const event = await runEvaluation(step)
        if (event) yield event
      }
      if (input.saveSteps > 0 && step % input.saveSteps === 0 && step < steps) {
        yield await checkpoint(step)
        savedAt = step
      }
    }
  } finally {
    await training.streamWeights(0)
    await training.rest()
  }
  const interrupted = step < steps
  if (interrupted && savedAt !== step) yield await checkpoint(step)
  await saveModel(model, tokenizer, input.outputDir)
  yield {
    type: 'end',
    step,
    loss: last?.loss ?? Number.NaN,
    interrupted,
    elapsed_ms: performance.now() - started,
    tokens_per_second: (tokens / (performance.now() - trainingStarted)) * 1000,
    peak_rss_mib: peakRssMib(),
    output_dir: input.outputDir,
  }

  async function trainStep(index: number): Promise<StepEvent> {
    const begun = performance.now()
    const { epoch, batches } = data.stepAt(index)
    const learned = batches.reduce((sum, batch) => sum + batch.learnedTokens, 0)
    const gradientScale = 1 / learned
    let lossSum = 0
    for (const [micro, batch] of batches.entries()) {
      for (const [part, pass] of splitBatch(batch, perPass).entries()) {
        // A seed of its own for each pass, the same when the step is repeated after a resume.
        const dropoutSeed = 1 + ((index * batches.length + micro) * 64 + part) + input.seed * 65537
        await training.streamWeights(streamedLayers(pass.ids.length, input.lowMemory))
        const { losses } = await training.losses(pass, {
          gradientScale,
          dropoutSeed,
          recompute: input.gradientCheckpointing,
          activationBytes,
        })
        lossSum += losses.reduce((sum, loss) => sum + loss, 0)
      }
    }
    const loss = lossSum / learned
    const norm = await training.optimiser.gradientNorm(input.maxGradNorm)
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) throw await divergence(index, loss, norm, batches)
    const learningRate = learningRateAt(index, steps, input)
    await training.optimiser.update({
      learningRate,
      weightDecay: input.weightDecay,
      beta1: input.adamBeta1,
      beta2: input.adamBeta2,
      epsilon: input.adamEpsilon,
      step: index + 1,
    })
    const elapsed = performance.now() - begun
    const count = batches.reduce((sum, batch) => sum + batch.inputIds.length, 0)
    return {
      type: 'step',
      step: index + 1,
      epoch,
      loss,
      grad_norm: norm,
      learning_rate: learningRate,
      tokens: count,
      learned_tokens: learned,
      tokens_per_second: (count / elapsed) * 1000,
      elapsed_ms: performance.now() - trainingStarted,
      peak_rss_mib: peakRssMib(),
    }
  }

  /** The parameters are still those of the step before: the update was not made. */
  async function divergence(
    index: number,
    loss: number,
    norm: number,
    batches: readonly Batch[],
  ): Promise<FettleError> {
    const rows = batches.flatMap(({ origins }) => origins.map(formatOrigin))
    const path = await saveCheckpoint(model, tokenizer, training, input.outputDir, {
      step: index,
      steps,
      fingerprint,
    })
    return new FettleError(
      {
        place: `step ${index + 1}, rows ${rows.slice(0, 8).join(', ')}${rows.length > 8 ? ` and ${rows.length - 8} more` : ''}`,
        found: Number.isFinite(loss) ? `gradient norm ${norm}` : `loss ${loss}`,
        expected: 'a finite number',
        cure: `Lower learning_rate or max_grad_norm, or look at these rows; the last good state is ${path}.`,
      },
      { exitCode: 1 },
    )
  }
}

/**
 * The part of a LoRA configuration that trains the rows of new tokens, in the embedding and in a head of its own,
 * unless `modules_to_save` trains these whole.
 */
function trainingRows(
  model: AutoModelForCausalLM,
  ids: number[],
  { modulesToSave = [], ensureWeightTying }: LoraOptions,
): Partial<LoraConfig> {
  const tables = ['embed_tokens', 'lm_head']
  const isWhole = (table: string) => modulesToSave.some((name) => `.${name}`.endsWith(`.${table}`))
  const rest = tables.filter((table) => !isWhole(table))
  const isTied = model.config['tie_word_embeddings'] === true
  if (ids.length === 0 || rest.length === 0 || (isTied && ensureWeightTying && rest.length === 1)) return {}
  if (isTied && rest.length === 2) return { trainableTokenIndices: ids }
  return { trainableTokenIndices: Object.fromEntries(rest.map((table) => [table, ids])) }
}

async function checkpointToResume({
  resumeFromCheckpoint,
  outputDir,
}: TrainOptions): Promise<string | undefined> {
  if (resumeFromCheckpoint === undefined || resumeFromCheckpoint === false) return undefined
  const path = resumeFromCheckpoint === true ? await lastCheckpoint(outputDir) : resumeFromCheckpoint
  if (path === undefined || !existsSync(path))
    throw new FettleError({
      place: 'resume_from_checkpoint',
      found: path === undefined ? `no checkpoint in ${outputDir}` : `${path}, which does not exist`,
      expected: 'a folder checkpoint-N of an earlier run',
    })
  return path
}

function peakRssMib(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024)
}
