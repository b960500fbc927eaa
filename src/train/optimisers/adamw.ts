import { createTape } from '../../engine/index.ts'
import type { TrainableParameters, UpdateGroup } from '../../model/index.ts'
import type { Optimiser } from './optimiser.ts'

export interface AdamWOptions {
  weightDecay?: number
  beta1?: number
  beta2?: number
  epsilon?: number
  /** LoRA+: learning rates of these groups as multiples of the others'. Weight decay is for what LoRA+ says then. */
  loraPlus?: { outputs: number; embedding: number } | undefined
}

/**
 * AdamW, as PyTorch computes it; the formula stands with the op. Norms and biases do not decay.
 * Sources: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101; LoRA+: Hayou et al. 2024, https://arxiv.org/abs/2402.12354
 */
export function createAdamW(
  { engine, size, groups, parameters, gradients, stats }: TrainableParameters,
  { weightDecay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, loraPlus }: AdamWOptions = {},
): Optimiser {
  const m = engine.tensor('float32', [size])
  const v = engine.tensor('float32', [size])
  const tape = createTape()
  const updates = joined(groups.map((group) => ({ ...group, ...howOf(group) }))).map((update) => {
    const { start, length, factor, decay } = update
    const part = (flat: typeof m) => engine.view(flat, start, [length])
    const hyper = engine.tensor('float32', [7])
    const inputs = { parameters: part(parameters), gradients: part(gradients), m: part(m), v: part(v) }
    tape.apply('adamw', { ...inputs, stats, hyper }, {}, {})
    return { hyper, factor, decay }
  })
  return {
    states: { m, v },
    commands: tape.commands(),
    begin({ learningRate, step }) {
      const corrections = [1 - beta1 ** step, 1 - beta2 ** step]
      for (const { hyper, factor, decay } of updates)
        engine.write(
          hyper,
          Float32Array.of(factor * learningRate, beta1, beta2, epsilon, decay, ...corrections),
        )
    },
  }

  /** Multiple of the learning rate, and weight decay. */
  function howOf({ rate, decays, decaysInLoraPlus }: UpdateGroup): Update {
    if (!loraPlus) return { factor: 1, decay: decays ? weightDecay : 0 }
    return { factor: rate === 'inputs' ? 1 : loraPlus[rate], decay: decaysInLoraPlus ? weightDecay : 0 }
  }
}

interface Update {
  factor: number
  decay: number
}

/** Neighbours that are updated alike are one. */
function joined<T extends Update & { length: number }>(updates: readonly T[]): T[] {
  const all: T[] = []
  for (const update of updates) {
    const last = all.at(-1)
    if (last && last.factor === update.factor && last.decay === update.decay) last.length += update.length
    else all.push({ ...update })
  }
  return all
}
