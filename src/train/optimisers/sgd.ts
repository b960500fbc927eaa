import { createTape } from '../../engine/index.ts'
import type { TrainableParameters } from '../../model/index.ts'
import type { Optimiser } from './optimiser.ts'
import { ratedStretches, type UpdateOptions } from './update-rates.ts'

export interface SgdOptions extends UpdateOptions {
  /** μ; 0 remembers nothing. */
  momentum?: number
  dampening?: number
  nesterov?: boolean
}

/** SGD, as PyTorch computes it; the formula stands with the op. With momentum it remembers 4 bytes a parameter, else nothing. */
export function createSgd(trainable: TrainableParameters, options: SgdOptions = {}): Optimiser {
  const { engine, size, parameters, gradients, stats } = trainable
  const { momentum = 0, dampening = 0, nesterov = false } = options
  const velocity = momentum === 0 ? null : engine.tensor('float32', [size])
  const tape = createTape()
  const updates = ratedStretches(trainable, options).map(({ start, length, factor, decay }) => {
    const part = (flat: typeof parameters) => engine.view(flat, start, [length])
    const hyper = engine.tensor('float32', [5])
    const numbers = { parameters: part(parameters), gradients: part(gradients) }
    tape.apply('sgd', { ...numbers, velocity: velocity && part(velocity), stats, hyper }, {}, {})
    return { hyper, factor, decay }
  })
  return {
    states: velocity ? { velocity } : {},
    commands: tape.commands(),
    begin({ learningRate, step }) {
      const gain = step === 1 ? 1 : 1 - dampening
      for (const { hyper, factor, decay } of updates)
        engine.write(hyper, Float32Array.of(factor * learningRate, momentum, gain, decay, nesterov ? 1 : 0))
    },
  }
}
