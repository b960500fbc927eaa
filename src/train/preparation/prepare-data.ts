import type { EpochPlan } from '../../batch/index.ts'
import { collatePieces, planEpoch } from '../../batch/index.ts'
import { dataPicture } from './data-picture.ts'
import { mixOf } from '../options/index.ts'
import {
  createPreparation,
  prepareEvaluation,
  reportSummary,
  type PreparationInput,
  type PreparedSet,
} from './index.ts'
import type { TrainingData, TrainingStep } from '../task.ts'
import { plural } from '../../plural.ts'

/** What a run of examples trains and evaluates on, and in which order. */
interface PreparedData extends TrainingData {
  stepAt(step: number): TrainingStep
}

/**
 * Reads and tokenises the data, truncates it and plans the steps.
 *
 * @throws FettleError that names the row that cannot be used, or says that nothing is left to learn; the signal's reason
 */
export async function prepareData(input: PreparationInput): Promise<PreparedData> {
  const begun = performance.now()
  const { options } = input
  const prepare = createPreparation(input)
  const made = await prepare('data', options.data, mixOf(options))
  const train = made.examples
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
  /** Packs differ from epoch to epoch, and so may the number of steps. */
  const goTo = (step: number): void => {
    if (step < current.firstStep) current = { epoch: 0, plan: first, firstStep: 0 }
    while (step >= current.firstStep + current.plan.steps) {
      const { epoch, plan, firstStep } = current
      current = { epoch: epoch + 1, plan: planOf(epoch + 1), firstStep: firstStep + plan.steps }
    }
  }
  const { made: madeForEval, notes } = await prepareEvaluation(options, prepare)
  const evaluation = madeForEval?.examples ?? made.heldOut
  const all = [made, ...(madeForEval === undefined ? [] : [madeForEval])]
  return {
    hash: train.hash,
    files: made.files,
    summary: {
      ...summaryOf(train, evaluation, [...all.flatMap((own) => own.notes), ...notes]),
      ...dataPicture(train.store.lengths, train.store.get(0), input.tokenizer),
      prepared: {
        cache: made.cache ?? null,
        reused: all.every(({ reused }) => reused),
        elapsed_ms: performance.now() - begun,
      },
    },
    steps,
    stepsPerEpoch: first.steps,
    epochOf: (step) => (goTo(step), current.epoch),
    stepAt(step) {
      goTo(step)
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
  notes: readonly string[],
): TrainingData['summary'] {
  return {
    ...reportSummary(report),
    data_notes: [...report.notes, ...(evaluation === undefined ? [] : notesOf(evaluation)), ...notes],
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
    `${plural(invalidRows, 'row of eval_data is', 'rows of eval_data are')} left out; the first is ${first.place}: ${first.reason}`,
  ]
}
