import type { Document, TrainingBatch } from '../../batch/index.ts'
import type { ModelInternals, TokenDescription, Training, TrainingPassOptions } from '../../model/index.ts'
import { passesOf, type ForwardPasses } from './forward-passes.ts'
import type { Objective, StepLoss } from '../objectives/objective.ts'
import { neftuneNoise } from './neftune.ts'
import { streamedLayers, type PassSize } from '../memory/index.ts'
import type { TrainOptions } from '../options/index.ts'

/** What a step's passes gave. */
export interface StepGradients extends StepLoss {
  /** Norm of the gradients, before clipping. */
  norm: number
  /** How many there were. */
  passes: number
}

/** How the gradients of a step are made. */
export interface GradientOptions extends Pick<
  TrainOptions,
  | 'seed'
  | 'maxGradNorm'
  | 'lowMemory'
  | 'gradientCheckpointing'
  | 'neftuneNoiseAlpha'
  | 'packing'
  | 'packingStrategy'
  | 'maxLength'
> {
  passSize: PassSize
  /** Training passes that the run made before this step. */
  passesBefore: number
}

/** The passes of a step: adds Σ weights · −∂logProbs to the gradients. */
export async function addGradients<D extends Document>(
  objective: Objective<D>,
  batches: readonly TrainingBatch<D>[],
  { passes, balanceCoefficient, state }: ModelInternals,
  training: Training,
  forward: ForwardPasses,
  options: GradientOptions,
): Promise<StepGradients> {
  const { perPass, activationBytes } = options.passSize
  const step = await objective.begin(batches, forward)
  let made = 0
  let balanceLoss = 0
  for (const batch of batches) {
    const noise = neftuneNoise(batch, state.architecture.width, options)
    const ofPass = (): TrainingPassOptions => ({
      ...(objective.dropsOut !== false && {
        dropout: { seed: options.seed, pass: options.passesBefore + made },
      }),
      noise,
      shares: objective.beginAlike === true,
      balance: balanceCoefficient,
    })
    const parts = passesOf(batch, perPass, { ...objective, size: passes.sizeOf(batch, ofPass()) })
    for (const part of parts) {
      const weights = await step.weights(part)
      training.streamWeights(streamedLayers(part.inputIds.length, options.lowMemory))
      let description: TokenDescription | undefined
      const logProbs = await passes.train(part, weights, {
        ...ofPass(),
        temperature: objective.temperature,
        recompute: options.gradientCheckpointing,
        activationBytes,
        // Of each micro-batch once, as Transformers adds it, however many passes it takes.
        balance: balanceCoefficient / parts.length,
        onBalanceLoss: (loss) => (balanceLoss += loss),
        ...(objective.describes && { onDescription: (told) => (description = told) }),
      })
      step.passed?.(part, logProbs, description)
      made += 1
    }
  }
  const ended = step.end()
  // By TRL's name, as it counts it: not multiplied, the mean over the micro-batches.
  const auxLoss = balanceLoss / (balanceCoefficient * batches.length)
  return {
    ...ended,
    ...(balanceCoefficient > 0 && { metrics: { ...ended.metrics, aux_loss: auxLoss } }),
    loss: ended.loss + balanceLoss,
    norm: await training.gradientNorm(options.maxGradNorm),
    passes: made,
  }
}
