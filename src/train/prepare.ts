import { availableParallelism } from 'node:os'
import type { EpochPlan, LedgerReport } from '../batch/index.ts'
import { collatePieces, createTokenLedger, planEpoch } from '../batch/index.ts'
import type { DataReport, DataSource, ExampleStore } from '../data/index.ts'
import {
  createDataReport,
  createExampleStore,
  formatOrigin,
  prepareExamples,
  sourceName,
} from '../data/index.ts'
import { FettleError } from '../error.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import { maskPolicyOf, type TrainOptions } from './options/index.ts'
import { createDataHash } from './runs/index.ts'
import type { TrainingData, TrainingStep } from './task.ts'

/** A data set in memory, as tokens with their mask, and what truncation took from it. */
interface PreparedSet {
  store: ExampleStore
  truncation: LedgerReport
  /** Examples left out because no token of them is learned. */
  withoutLearned: number
  /** Of the examples, in their order. */
  hash: string
  report: DataReport
}

/** What a run of examples trains and evaluates on, and in which order. */
interface PreparedData extends TrainingData {
  stepAt(step: number): TrainingStep
}

/**
 * Reads and tokenises the data, truncates it and plans the steps.
 *
 * @param vocabSize  rows of the model's embedding
 * @param signal     ends it at the next example
 * @throws FettleError that names the row that cannot be used, or says that nothing is left to learn; the signal's reason
 */
export async function prepareData(
  options: TrainOptions,
  tokenizer: Tokenizer,
  vocabSize: number,
  signal?: AbortSignal,
): Promise<PreparedData> {
  const train = await prepareSet(options.data, options, tokenizer, vocabSize, signal)
  const { seed, shuffle, maxLength, perDeviceTrainBatchSize, gradientAccumulationSteps } = options
  const layout = {
    maxLength,
    seed,
    packing: options.packing && options.packingStrategy,
    perDeviceBatchSize: perDeviceTrainBatchSize,
    gradientAccumulation: gradientAccumulationSteps,
  }
  const planOf = (epoch: number): EpochPlan =>
    planEpoch({ ...layout, lengths: train.store.lengths, epoch, shuffle })
  const first = planOf(0)
  const steps = options.maxSteps ?? Math.ceil(options.numTrainEpochs * first.steps)
  let current = { epoch: 0, plan: first, firstStep: 0 }
  const evaluation =
    options.evalData && (await prepareSet(options.evalData, options, tokenizer, vocabSize, signal))
  return {
    hash: train.hash,
    summary: summaryOf(train, evaluation),
    steps,
    stepsPerEpoch: first.steps,
    stepAt(step) {
      // Packs differ from epoch to epoch, and so may the number of steps.
      if (step < current.firstStep) current = { epoch: 0, plan: first, firstStep: 0 }
      while (step >= current.firstStep + current.plan.steps) {
        const { epoch, plan, firstStep } = current
        current = { epoch: epoch + 1, plan: planOf(epoch + 1), firstStep: firstStep + plan.steps }
      }
      const batches = current.plan.step(step - current.firstStep)
      return { epoch: current.epoch, batches: batches.map((pieces) => collatePieces(train.store, pieces)) }
    },
    ...(evaluation && {
      evaluation: {
        *batches() {
          const plan = planEpoch({
            ...layout,
            lengths: evaluation.store.lengths,
            epoch: 0,
            shuffle: false,
            perDeviceBatchSize: options.perDeviceEvalBatchSize ?? perDeviceTrainBatchSize,
            gradientAccumulation: 1,
          })
          for (let step = 0; step < plan.steps; step += 1)
            for (const pieces of plan.step(step)) yield collatePieces(evaluation.store, pieces)
        },
      },
    }),
  }
}

function summaryOf(
  { store, truncation, withoutLearned, report }: PreparedSet,
  evaluation: PreparedSet | undefined,
): TrainingData['summary'] {
  return {
    rows: report.rows,
    invalid_rows: report.invalidRows,
    invalid: report.invalid,
    data_notes: [...report.notes, ...(evaluation === undefined ? [] : notesOf(evaluation))],
    examples: store.count,
    tokens: store.tokens,
    learned_tokens: store.learnedTokens,
    spans: { ...store.statuses },
    truncated_tokens: truncation.droppedTokens,
    truncated_stops: truncation.cutStops,
    truncated_answers: truncation.lostAnswers,
    truncated_examples: truncation.lostExamples,
    examples_without_learned_tokens: withoutLearned,
  }
}

/** What the summary, which is of the training data, tells of the held-out data. */
function notesOf({ report }: PreparedSet): string[] {
  const { invalidRows, invalid, notes } = report
  if (invalidRows === 0) return notes
  const [first] = invalid
  return [
    ...notes,
    `${invalidRows} rows of eval_data are left out; the first is ${first.place}: ${first.reason}`,
  ]
}

async function prepareSet(
  sources: readonly DataSource[],
  options: TrainOptions,
  tokenizer: Tokenizer,
  vocabSize: number,
  signal: AbortSignal | undefined,
): Promise<PreparedSet> {
  // The strategies that split long examples need no truncation.
  const cuts = !options.packing || options.packingStrategy === 'bfd'
  const ledger = createTokenLedger({
    maxLength: cuts ? options.maxLength : Number.POSITIVE_INFINITY,
    mode: options.truncationMode,
  })
  const store = createExampleStore()
  const hash = createDataHash()
  const report = createDataReport()
  let withoutLearned = 0
  const examples = prepareExamples(sources, tokenizer, {
    policy: maskPolicyOf(options),
    perTurn: options.perTurn,
    variables: options.chatTemplateKwargs,
    vocabSize,
    skipInvalid: options.skipInvalid,
    report,
    threads: options.threads ?? availableParallelism(),
  })
  for await (const example of examples) {
    signal?.throwIfAborted()
    const unknown = example.inputIds.find((id) => id >= vocabSize)
    if (unknown !== undefined)
      throw new FettleError({
        place: formatOrigin(example.origin),
        found: `token ${unknown} ${JSON.stringify(tokenizer.convertIdsToTokens(unknown))}`,
        expected: `tokens below ${vocabSize}, the rows of the model's embedding`,
        cure: 'Use the tokenizer of this model, or resize the embeddings with model.resizeTokenEmbeddings(tokenizer.length).',
      })
    if (!example.mask.includes(1, 1)) {
      withoutLearned += 1
      continue
    }
    const admitted = ledger.admit(example)
    if (!admitted) continue
    store.add(admitted)
    hash.add(admitted.inputIds, admitted.mask)
  }
  if (store.count === 0)
    throw new FettleError({
      place: sources.map(sourceName).join(', '),
      found: `answers that all lie beyond max_length ${options.maxLength}`,
      expected: 'learned tokens within it',
      cure: 'Raise max_length, or set truncation_mode: keep_end.',
    })
  return { store, truncation: ledger.report(), withoutLearned, hash: hash.digest(), report }
}
