import type { Document, TrainingBatch } from '../../batch/index.ts'
import type { TokenDescription, Weights } from '../../model/index.ts'
import { createMeans } from './means.ts'
import { passPlaces, type BatchPart } from './micro-batches.ts'
import type { ObjectiveStep } from './objective.ts'

/** What an objective makes of the micro-batches of a step, each of which is one pass or several. */
export interface MicroBatchWork<D extends Document, Gathered> {
  /** Begins a micro-batch: what its passes tell until it is whole. */
  gather(): Gathered
  /** As of `ObjectiveStep`. */
  weights(pass: TrainingBatch<D>, place: BatchPart, gathered: Gathered): Weights
  passed?(
    pass: TrainingBatch<D>,
    place: BatchPart,
    gathered: Gathered,
    told: { logProbs: Float32Array; description: TokenDescription | undefined },
  ): void
  /** Of a whole micro-batch: its part of the step's loss, and its metrics. */
  whole(
    gathered: Gathered,
    batch: number,
  ): { loss: number; metrics: Readonly<Record<string, number | undefined>> }
}

/** A step whose loss is the sum of what its micro-batches give, and whose metrics are their means. */
export function microBatchStep<D extends Document, Gathered>(
  batches: readonly TrainingBatch<D>[],
  work: MicroBatchWork<D, Gathered>,
): ObjectiveStep<D> {
  const placeOf = passPlaces(batches)
  const means = createMeans()
  let loss = 0
  let place: BatchPart
  let gathered = work.gather()
  return {
    weights(pass) {
      place = placeOf(pass)
      return work.weights(pass, place, gathered)
    },
    passed(pass, logProbs, description) {
      work.passed?.(pass, place, gathered, { logProbs, description })
      if (!place.isLast) return
      const made = work.whole(gathered, place.batch)
      loss += made.loss
      means.add(made.metrics)
      gathered = work.gather()
    },
    end: () => ({ loss, metrics: means.result() }),
  }
}
