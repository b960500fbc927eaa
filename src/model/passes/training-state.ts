import type { Engine, Program } from '../../engine/engine.ts'
import type { Command } from '../../engine/ops.ts'
import { createTape } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { refreshDora } from '../adapters/dora.ts'
import { refreshTokenRows } from '../adapters/tables/token-rows.ts'
import { projectionsOf } from '../blocks/architecture.ts'
import type { ModelState } from '../state/model-state.ts'
import { beginTraining } from '../state/model-state.ts'
import type { UpdateGroup } from '../state/update-groups.ts'
import { trainedMatrices, type TrainedMatrix } from '../state/trained-matrices.ts'

/** What an optimiser works on: everything trainable in one float32 buffer, its gradients in another. */
export interface TrainableParameters {
  readonly engine: Engine
  /** Numbers in all. */
  readonly size: number
  /** [size] */
  readonly parameters: Tensor
  /** [size] sums of what the passes since the last step have added. */
  readonly gradients: Tensor
  /** [2] norm of the gradients, and the factor that clips them; as of the last `gradientNorm`. */
  readonly stats: Tensor
  /** Stretches of them that differ in weight decay, or in LoRA+'s learning rates. */
  readonly groups: readonly UpdateGroup[]
  /** The tensors that they are, for optimisers that look at whole matrices. */
  readonly matrices: readonly TrainedMatrix[]
}

/** A model in training: its parameters, and what surrounds an optimiser's step. */
export interface Training {
  readonly trainable: TrainableParameters
  /** Norm of the gradients, before clipping to `maxNorm` (0: no clipping); an optimiser's step needs it first. */
  gradientNorm(maxNorm: number): Promise<number>
  /** What runs the commands of an optimiser's step, and then sets the gradients to zero; `parametersChanged` is seen to. */
  updateBy(commands: readonly Command[]): () => Promise<void>
  /** Call it when the parameters were changed, as by a checkpoint: some are copied to where passes read them. */
  parametersChanged(): Promise<void>
  /** Lets go of this share of the layers' frozen weights after each use; 0 of none. */
  streamWeights(share: number): void
  /** Gives back the memory of the passes, for what is not training: saving, or the end. */
  rest(): void
}

/** What trains the parameters that are trainable now. */
export function trainingState(state: ModelState): Training {
  const { engine, trainable, architecture } = state
  if (!trainable) throw new Error('nothing is trainable')
  beginTraining(state)
  const { parameters, gradients, size, groups, tensors } = trainable
  const matrices = trainedMatrices(tensors, architecture)
  const stats = engine.tensor('float32', [2])
  const normPrograms = new Map<number, Program>()
  const parametersChanged = async () => {
    await refreshTokenRows(state)
    await refreshDora(state)
  }
  return {
    trainable: { engine, size, parameters, gradients, stats, groups, matrices },
    async gradientNorm(maxNorm) {
      if (state.trainable !== trainable)
        throw new FettleError({
          place: 'training',
          found: 'another adapter in use than the one that is trained',
          expected: 'the same from step to step',
          cure: 'Call setAdapter before the training or after it.',
        })
      let program = normPrograms.get(maxNorm)
      if (!program) {
        const tape = createTape()
        tape.apply('gradNorm', { gradients }, { maxNorm }, { stats: null })
        program = engine.compile([{ ...tape.commands()[0], outputs: [stats] }], [])
        normPrograms.set(maxNorm, program)
      }
      await engine.run(program)
      return (await engine.read(stats))[0]
    },
    updateBy(commands) {
      const program = engine.compile([...commands, clearCommand(gradients)], [])
      return async () => {
        await engine.run(program)
        await parametersChanged()
      }
    },
    parametersChanged,
    streamWeights(share) {
      const { layers } = architecture
      const streamed = projectionsOf({ layers: layers.slice(0, Math.round(share * layers.length)) })
      engine.stream(streamed.flatMap(({ key }) => state.frozen.get(key) ?? []))
    },
    rest: () => engine.release(),
  }
}

/** Sets the gradients of everything trainable to zero. */
export async function clearGradients({ engine, trainable }: ModelState): Promise<void> {
  if (trainable) await engine.run(engine.compile([clearCommand(trainable.gradients)], []))
}

function clearCommand(gradients: Tensor): Command {
  const tape = createTape()
  tape.apply('fill', {}, { value: 0 }, { y: null })
  return { ...tape.commands()[0], outputs: [gradients] }
}
