import type { AutoModelForCausalLM, ForwardInputs, Weights } from '../../src/model/index.ts'
import { internalsOf } from '../../src/model/index.ts'
import { createAdamW, type Optimiser } from '../../src/train/index.ts'

type TrainOptions = Parameters<ReturnType<typeof internalsOf>['passes']['train']>[2]

/** Trains a model step by step, as a test wants it: passes add gradients, `step` clips, updates and clears. */
export async function createTrainer(
  model: AutoModelForCausalLM,
  options: Parameters<typeof createAdamW>[1] = {},
) {
  const { passes, flatten, training: startTraining } = internalsOf(model)
  const training = await startTraining()
  const optimiser: Optimiser = createAdamW(training.trainable, options)
  const update = training.updateBy(optimiser.commands)
  let steps = 0
  return {
    training,
    states: { parameters: training.trainable.parameters, ...optimiser.states },
    /** Adds the gradients of scale · Σ losses; the sum of the losses. */
    async add(inputs: ForwardInputs, scale: number, passOptions?: TrainOptions): Promise<number> {
      const batch = flatten(inputs)
      const weights: Weights = new Float64Array(batch.learnedTokens).fill(scale)
      const logProbs = await passes.train(batch, weights, passOptions)
      return -logProbs.reduce((sum, logProb) => sum + logProb, 0)
    },
    /** The norm of the gradients before clipping. */
    async step(learningRate: number, maxNorm = 1): Promise<number> {
      const norm = await training.gradientNorm(maxNorm)
      steps += 1
      optimiser.begin({ learningRate, step: steps })
      await update()
      return norm
    },
  }
}
