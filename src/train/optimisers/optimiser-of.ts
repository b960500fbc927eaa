import type { TrainingTask } from '../task.ts'
import type { TrainOptions } from '../options/index.ts'
import { createAdamW } from './adamw.ts'

/** The optimiser that the options of a run ask for. */
export function optimiserOf(options: TrainOptions): TrainingTask['optimiser'] {
  const { weightDecay, adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon } = options
  const { learningRate, loraplusLrRatio: outputs, loraplusLrEmbedding = 1e-6 } = options
  const loraPlus =
    outputs === undefined ? undefined : { outputs, embedding: loraplusLrEmbedding / learningRate }
  return (parameters) => createAdamW(parameters, { weightDecay, beta1, beta2, epsilon, loraPlus })
}
