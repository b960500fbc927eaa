import type { TrainableParameters } from '../../model/index.ts'
import type { TrainingTask } from '../task.ts'
import { optimName, type OptimName, type TrainOptions } from '../options/index.ts'
import { createAdafactor } from './adafactor.ts'
import { createAdamW } from './adamw.ts'
import { createAdamW8bit, createLion8bit } from './eight-bit.ts'
import { createLion } from './lion.ts'
import { createMuon } from './muon.ts'
import type { Optimiser } from './optimiser.ts'
import { createSgd } from './sgd.ts'

type OptimOptions = Pick<
  TrainOptions,
  | 'optim'
  | 'optimArgs'
  | 'weightDecay'
  | 'adamBeta1'
  | 'adamBeta2'
  | 'adamEpsilon'
  | 'learningRate'
  | 'loraplusLrRatio'
  | 'loraplusLrEmbedding'
>

/** The optimiser that the options of a run ask for. */
export function optimiserOf(options: OptimOptions): TrainingTask['optimiser'] {
  const { weightDecay, adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon, optimArgs = {} } = options
  const { learningRate, loraplusLrRatio: outputs, loraplusLrEmbedding = 1e-6 } = options
  const loraPlus =
    outputs === undefined ? undefined : { outputs, embedding: loraplusLrEmbedding / learningRate }
  const all = { weightDecay, loraPlus }
  const adam = { ...all, beta1, beta2, epsilon }
  const made: { [N in OptimName]: (parameters: TrainableParameters) => Optimiser } = {
    adamw: (parameters) => createAdamW(parameters, adam),
    adamw_8bit: (parameters) => createAdamW8bit(parameters, adam),
    adafactor: (parameters) => createAdafactor(parameters, all),
    lion: (parameters) => createLion(parameters, adam),
    lion_8bit: (parameters) => createLion8bit(parameters, adam),
    sgd: (parameters) => createSgd(parameters, { ...all, ...optimArgs }),
    muon: (parameters) => createMuon(parameters, { ...adam, ...optimArgs }),
  }
  return made[optimName(options.optim)]
}
