import type { Document, TrainingBatch } from '../../batch/index.ts'
import type { Tensor } from '../../engine/index.ts'
import type { TokenDescription, Weights } from '../../model/index.ts'
import type { EvalEvent, SourceLoss } from '../events.ts'
import type { ForwardPasses } from '../loop/forward-passes.ts'

/**
 * What is learned: how a loss follows from log P(token) of each learned token. The loop lays out the passes and takes the
 * optimiser's steps; an objective is arithmetic on these numbers.
 *
 * `D` is what it knows of a document besides the tokens, such as the label of a completion; its data preparation adds that.
 */
export interface Objective<D extends Document = Document> {
  /** As in `method` of the run file: `sft`. */
  readonly name: string
  /** Documents that must share a pass: of each batch always so many in order, such as a chosen and a rejected answer. Default 1. */
  readonly together?: number
  /** Whether documents often begin as the one before them does, such as answers to one prompt: passes then compute that once. Default false. */
  readonly beginAlike?: boolean
  /** Whether it wants to be told of the distributions that the log-probabilities are of, which costs a little. */
  readonly describes?: boolean
  /** Whether the passes of training drop out what the adapter says; default true. */
  readonly dropsOut?: boolean
  /** The temperature of the distributions that log-probabilities are of; default 1. */
  readonly temperature?: number
  /** The states that it remembers from step to step, by name; checkpoints hold them. */
  readonly states?: Readonly<Record<string, Tensor>>
  /** Begins an optimiser step; the loss is one of all its batches. Whatever must be known before the first pass is computed here. */
  begin(
    batches: readonly TrainingBatch<D>[],
    passes: ForwardPasses,
  ): ObjectiveStep<D> | Promise<ObjectiveStep<D>>
  /** What an evaluation tells, where that is more than the loss and the metrics of `begin` on held-out batches. */
  evaluate?(batches: Iterable<TrainingBatch<D>>, passes: ForwardPasses): Promise<Evaluation>
}

/** One optimiser step of an objective. */
export interface ObjectiveStep<D extends Document = Document> {
  /**
   * The weights [m] of a pass's learned tokens, −∂loss/∂logProbs: where they follow from what is known before the pass, as numbers;
   * else as a function of its log-probabilities [m] (and, with `describes`, of what is told of them), which also adds the pass to the
   * loss.
   */
  weights(pass: TrainingBatch<D>): Weights | Promise<Weights>
  /** Called after each pass, for losses whose weights were known before it, and metrics. */
  passed?(pass: TrainingBatch<D>, logProbs: Float32Array, description?: TokenDescription): void
  /** The loss of all passes together. */
  end(): StepLoss
}

/** The loss of a step, in nats, and what else is told of it, by TRL's names: `rewards/margins`. */
export interface StepLoss {
  loss: number
  metrics?: Readonly<Record<string, number>>
  /** Of each source of the data, where there are several. */
  sources?: Readonly<Record<string, SourceLoss>>
}

/** What is told of held-out data. */
export type Evaluation = Omit<EvalEvent, 'type' | 'step'>
