import type { Document, TrainingBatch } from '../../batch/index.ts'
import type { EvalEvent } from '../events.ts'
import type { ForwardPasses } from './forward-passes.ts'
import type { Evaluation, Objective } from '../objectives/objective.ts'

/** What an objective tells of held-out batches after `step` optimiser steps; nothing is learned. */
export async function evaluate<D extends Document>(
  objective: Objective<D>,
  batches: Iterable<TrainingBatch<D>>,
  passes: ForwardPasses,
  step: number,
): Promise<EvalEvent> {
  const told = objective.evaluate
    ? await objective.evaluate(batches, passes)
    : await lossOf(objective, [...batches], passes)
  return { type: 'eval', step, ...told }
}

/** The loss and the metrics of a step, over all batches together. */
async function lossOf<D extends Document>(
  objective: Objective<D>,
  batches: readonly TrainingBatch<D>[],
  passes: ForwardPasses,
): Promise<Evaluation> {
  const step = await objective.begin(batches, passes)
  for (const batch of batches) {
    const weights = await step.weights(batch)
    const { logProbs, description } = objective.describes
      ? await passes.described(batch)
      : { logProbs: await passes.logProbs(batch) }
    if (typeof weights === 'function') weights(logProbs, description)
    step.passed?.(batch, logProbs, description)
  }
  return {
    ...step.end(),
    learned_tokens: batches.reduce((sum, { learnedTokens }) => sum + learnedTokens, 0),
    stop_probability: null,
    early_stop_probability: null,
  }
}
