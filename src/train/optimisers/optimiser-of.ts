import type { TrainableParameters } from '../../model/index.ts'
import type { TrainingTask } from '../task.ts'
import { optimName, type OptimName, type TrainOptions } from '../options/index.ts'
import { createAdamW } from './adamw.ts'
import type { Optimiser } from './optimiser.ts'

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

type Create = (parameters: TrainableParameters) => Optimiser

/** The optimiser that the options of a run ask for; the others are not loaded. */
export async function optimiserOf(options: OptimOptions): Promise<TrainingTask['optimiser']> {
  const { weightDecay, adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon, optimArgs = {} } = options
  const { learningRate, loraplusLrRatio: outputs, loraplusLrEmbedding = 1e-6 } = options
  const loraPlus =
    outputs === undefined ? undefined : { outputs, embedding: loraplusLrEmbedding / learningRate }
  const all = { weightDecay, loraPlus }
  const adam = { ...all, beta1, beta2, epsilon }
  const loaded: { [N in OptimName]: () => Promise<Create> | Create } = {
    adamw: () => (parameters) => createAdamW(parameters, adam),
    adamw_8bit: async () => {
      const { createAdamW8bit } = await import('./eight-bit.ts')
      return (parameters) => createAdamW8bit(parameters, adam)
    },
    adafactor: async () => {
      const { createAdafactor } = await import('./adafactor.ts')
      return (parameters) => createAdafactor(parameters, all)
    },
    lion: async () => {
      const { createLion } = await import('./lion.ts')
      return (parameters) => createLion(parameters, adam)
    },
    lion_8bit: async () => {
      const { createLion8bit } = await import('./eight-bit.ts')
      return (parameters) => createLion8bit(parameters, adam)
    },
    sgd: async () => {
      const { createSgd } = await import('./sgd.ts')
      return (parameters) => createSgd(parameters, { ...all, ...optimArgs })
    },
    muon: async () => {
      const { createMuon } = await import('./muon.ts')
      return (parameters) => createMuon(parameters, { ...adam, ...optimArgs })
    },
  }
  return loaded[optimName(options.optim)]()
}
