import { createTape } from '../../engine/index.ts'
import type { TrainableParameters } from '../../model/index.ts'
import type { Optimiser } from './optimiser.ts'

export interface AdamWOptions {
  weightDecay?: number
  beta1?: number
  beta2?: number
  epsilon?: number
}

/**
 * AdamW, as PyTorch computes it; the formula stands with the op. Norms and biases do not decay.
 * Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101
 */
export function createAdamW(
  { engine, size, decayed, parameters, gradients, stats }: TrainableParameters,
  { weightDecay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamWOptions = {},
): Optimiser {
  const m = engine.tensor('float32', [size])
  const v = engine.tensor('float32', [size])
  const tape = createTape()
  const groups = [
    { start: 0, length: decayed, decay: weightDecay },
    { start: decayed, length: size - decayed, decay: 0 },
  ]
    .filter(({ length }) => length > 0)
    .map(({ start, length, decay }) => {
      const part = (flat: typeof m) => engine.view(flat, start, [length])
      const hyper = engine.tensor('float32', [7])
      const inputs = { parameters: part(parameters), gradients: part(gradients), m: part(m), v: part(v) }
      tape.apply('adamw', { ...inputs, stats, hyper }, {}, {})
      return { hyper, decay }
    })
  return {
    states: { m, v },
    commands: tape.commands(),
    begin({ learningRate, step }) {
      const corrections = [1 - beta1 ** step, 1 - beta2 ** step]
      for (const { hyper, decay } of groups)
        engine.write(hyper, Float32Array.of(learningRate, beta1, beta2, epsilon, decay, ...corrections))
    },
  }
}
