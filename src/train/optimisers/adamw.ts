import { createTape, type Command, type Tensor } from '../../engine/index.ts'
import type { TrainableParameters } from '../../model/index.ts'
import type { Optimiser, OptimiserStep } from './optimiser.ts'
import { ratedStretches, type Stretch, type UpdateOptions } from './update-rates.ts'

export interface AdamWOptions extends UpdateOptions {
  beta1?: number
  beta2?: number
  epsilon?: number
}

/**
 * AdamW, as PyTorch computes it; the formula stands with the op. Norms and biases do not decay. It remembers 8 bytes a parameter.
 * Sources: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101; LoRA+: Hayou et al. 2024, https://arxiv.org/abs/2402.12354
 */
export function createAdamW(trainable: TrainableParameters, options: AdamWOptions = {}): Optimiser {
  const { states, commands, begin } = adamWOf(trainable, options, [{ start: 0, length: trainable.size }])
  return { states, commands, begin }
}

/** AdamW of some stretches; its states hold these one after the other. */
export function adamWOf(
  trainable: TrainableParameters,
  options: AdamWOptions,
  within: readonly Stretch[],
): { states: { m: Tensor; v: Tensor }; commands: Command[]; begin(step: OptimiserStep): void } {
  const { engine, parameters, gradients, stats } = trainable
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options
  const size = within.reduce((sum, { length }) => sum + length, 0)
  const m = engine.tensor('float32', [size])
  const v = engine.tensor('float32', [size])
  const tape = createTape()
  let at = 0
  const updates = ratedStretches(trainable, options, within).map(({ start, length, factor, decay }) => {
    const part = (flat: Tensor, from: number) => engine.view(flat, from, [length])
    const hyper = engine.tensor('float32', [7])
    const numbers = { parameters: part(parameters, start), gradients: part(gradients, start) }
    tape.apply('adamw', { ...numbers, m: part(m, at), v: part(v, at), stats, hyper }, {}, {})
    at += length
    return { hyper, factor, decay }
  })
  return {
    states: { m, v },
    commands: tape.commands(),
    begin(step) {
      for (const { hyper, factor, decay } of updates)
        engine.write(hyper, adamWHyper(step, factor, decay, beta1, beta2, epsilon))
    },
  }
}

/** What the ops adamw and adamw8bit read of a step. */
export function adamWHyper(
  { learningRate, step }: OptimiserStep,
  factor: number,
  decay: number,
  beta1: number,
  beta2: number,
  epsilon: number,
): Float32Array {
  return Float32Array.of(
    factor * learningRate,
    beta1,
    beta2,
    epsilon,
    decay,
    1 - beta1 ** step,
    1 - beta2 ** step,
  )
}
