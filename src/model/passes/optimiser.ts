import { createTape, flattenAttributes } from '../../engine/tape.ts'
import type { Command } from '../../engine/ops.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { ModelState } from '../state/model-state.ts'
import { refreshTokenRows } from '../adapters/token-rows.ts'

/** Settings of one AdamW step. */
export interface AdamWStep {
  learningRate: number
  weightDecay: number
  beta1: number
  beta2: number
  epsilon: number
  /** 1 for the first. */
  step: number
}

/** AdamW over the flat buffers of a model's trainable parameters. */
export interface Optimiser {
  /** First and second moments, flat; zeros at the start. */
  readonly m: Tensor
  readonly v: Tensor
  /** Norm of the gradients that were summed, before clipping to `maxNorm` (0: no clipping). */
  gradientNorm(maxNorm: number): Promise<number>
  /** Updates the parameters with the clipped gradients and sets the gradients to zero. */
  update(step: AdamWStep): Promise<void>
  /** Sets the gradients to zero. */
  discardGradients(): Promise<void>
}

/** Sets the gradients of everything trainable to zero. */
export async function clearGradients({ engine, trainable }: ModelState): Promise<void> {
  if (trainable) await engine.run(engine.compile([clearCommand(trainable.gradients)], []))
}

function clearCommand(gradients: Tensor): Command {
  return {
    op: 'fill',
    direction: 'forward',
    inputs: [],
    outputs: [gradients],
    attributes: flattenAttributes('fill', { value: 0 }),
  }
}

/** `gradientNorm` must run before `update`: it also finds the clipping factor. */
export function createOptimiser(state: ModelState): Optimiser {
  const { engine, trainable } = state
  if (!trainable) throw new Error('nothing is trainable')
  const { parameters, gradients, size, decayed } = trainable
  const m = engine.tensor('float32', [size])
  const v = engine.tensor('float32', [size])
  const stats = engine.tensor('float32', [2])
  const groups = [
    { start: 0, length: decayed, decays: true },
    { start: decayed, length: size - decayed, decays: false },
  ]
    .filter(({ length }) => length > 0)
    .map(({ start, length, decays }) => ({
      decays,
      hyper: engine.tensor('float32', [7]),
      tensors: [parameters, gradients, m, v].map((flat) => engine.view(flat, start, [length])),
    }))
  const clear = clearCommand(gradients)
  const updateProgram = engine.compile([...groups.map(adamwCommand), clear], [])
  const normPrograms = new Map<number, ReturnType<typeof engine.compile>>()

  return {
    m,
    v,
    async gradientNorm(maxNorm) {
      let program = normPrograms.get(maxNorm)
      if (!program) {
        const command: Command = {
          op: 'gradNorm',
          direction: 'forward',
          inputs: [gradients],
          outputs: [stats],
          attributes: flattenAttributes('gradNorm', { maxNorm }),
        }
        program = engine.compile([command], [])
        normPrograms.set(maxNorm, program)
      }
      await engine.run(program)
      return (await engine.read(stats))[0]
    },
    async update({ learningRate, weightDecay, beta1, beta2, epsilon, step }) {
      for (const { decays, hyper } of groups) {
        const decay = decays ? weightDecay : 0
        engine.write(
          hyper,
          Float32Array.of(learningRate, beta1, beta2, epsilon, decay, 1 - beta1 ** step, 1 - beta2 ** step),
        )
      }
      await engine.run(updateProgram)
      await refreshTokenRows(state)
    },
    discardGradients: () => clearGradients(state),
  }

  function adamwCommand({
    hyper,
    tensors: [p, g, mPart, vPart],
  }: {
    hyper: Tensor
    tensors: Tensor[]
  }): Command {
    const tape = createTape()
    tape.apply('adamw', { parameters: p, gradients: g, m: mPart, v: vPart, stats, hyper }, {}, {})
    return tape.commands()[0]
  }
}
