import { createTape, type Command, type Tensor } from '../../engine/index.ts'
import type { TrainableParameters } from '../../model/index.ts'
import type { Optimiser, OptimiserStep } from './optimiser.ts'
import { ratedStretches, type Stretch, type UpdateOptions } from './update-rates.ts'

export interface LionOptions extends UpdateOptions {
  beta1?: number
  beta2?: number
}

/** Lion, as bitsandbytes computes it; the formula stands with the op. It remembers 4 bytes a parameter. */
export function createLion(trainable: TrainableParameters, options: LionOptions = {}): Optimiser {
  return lionOf(trainable, options, [{ start: 0, length: trainable.size }])
}

/** Lion of some stretches; its state holds these one after the other. */
export function lionOf(
  trainable: TrainableParameters,
  options: LionOptions,
  within: readonly Stretch[],
): { states: { m: Tensor }; commands: Command[]; begin(step: OptimiserStep): void } {
  const { engine, parameters, gradients, stats } = trainable
  const { beta1 = 0.9, beta2 = 0.99 } = options
  const m = engine.tensor('float32', [within.reduce((sum, { length }) => sum + length, 0)])
  const tape = createTape()
  let at = 0
  const updates = ratedStretches(trainable, options, within).map(({ start, length, factor, decay }) => {
    const part = (flat: Tensor, from: number) => engine.view(flat, from, [length])
    const hyper = engine.tensor('float32', [4])
    const numbers = { parameters: part(parameters, start), gradients: part(gradients, start) }
    tape.apply('lion', { ...numbers, m: part(m, at), stats, hyper }, {}, {})
    at += length
    return { hyper, factor, decay }
  })
  return {
    states: { m },
    commands: tape.commands(),
    begin({ learningRate }) {
      for (const { hyper, factor, decay } of updates)
        engine.write(hyper, Float32Array.of(factor * learningRate, beta1, beta2, decay))
    },
  }
}
