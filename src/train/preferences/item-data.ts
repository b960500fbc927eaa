import { collate, planEpoch, type Document, type EpochPlan, type TrainingBatch } from '../../batch/index.ts'
import type { TrainOptions } from '../options/index.ts'
import type { TrainingData } from '../task.ts'

/** Things that a run learns from, each one or more documents that share a micro-batch: pairs, answers. */
export interface Items<D extends Document> {
  count: number
  documents(item: number): D[]
  /** How documents become a batch; default end to end, with what their masks learn. */
  collate?(documents: readonly D[]): TrainingBatch<D>
}

/** Batches of items: `per_device_train_batch_size` counts items, laid end to end without padding. */
export function itemData<D extends Document>(
  items: Items<D>,
  held: Items<D> | undefined,
  options: TrainOptions,
  told: Pick<TrainingData, 'summary'> & { hash: string },
): TrainingData<D> {
  const { seed, shuffle, perDeviceTrainBatchSize, gradientAccumulationSteps } = options
  const planOf = (epoch: number): EpochPlan =>
    planEpoch({
      lengths: new Int32Array(items.count).fill(1),
      maxLength: 1,
      packing: false,
      seed,
      shuffle,
      epoch,
      perDeviceBatchSize: perDeviceTrainBatchSize,
      gradientAccumulation: gradientAccumulationSteps,
    })
  const first = planOf(0)
  let current = { epoch: 0, plan: first }
  return {
    ...told,
    steps: options.maxSteps ?? Math.ceil(options.numTrainEpochs * first.steps),
    stepsPerEpoch: first.steps,
    epochOf: (step) => Math.floor(step / first.steps),
    stepAt(step) {
      const epoch = Math.floor(step / first.steps)
      if (epoch !== current.epoch) current = { epoch, plan: planOf(epoch) }
      const batches = current.plan.step(step - epoch * first.steps)
      return {
        epoch,
        batches: batches.map((pieces) =>
          batchOf(
            items,
            pieces.map(({ example }) => example),
          ),
        ),
      }
    },
    ...(held && {
      evaluation: {
        batches: () => batchesOf(held, options.perDeviceEvalBatchSize ?? perDeviceTrainBatchSize),
      },
    }),
  }
}

/** All items in their order, so many in a batch. */
export function* batchesOf<D extends Document>(
  items: Items<D>,
  perBatch: number,
): Generator<TrainingBatch<D>> {
  for (let start = 0; start < items.count; start += perBatch) {
    const count = Math.min(perBatch, items.count - start)
    yield batchOf(
      items,
      Array.from({ length: count }, (_, i) => start + i),
    )
  }
}

function batchOf<D extends Document>(items: Items<D>, numbers: readonly number[]): TrainingBatch<D> {
  const documents = numbers.flatMap((item) => items.documents(item))
  return items.collate ? items.collate(documents) : collate(documents)
}
