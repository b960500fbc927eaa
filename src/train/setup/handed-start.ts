import { dirname } from 'node:path'
import type { Document } from '../../batch/index.ts'
import { FettleError } from '../../error.ts'
import { movePath, removePath } from '../../formats/index.ts'
import { internalsOf } from '../../model/index.ts'
import { optimNotes } from '../options/index.ts'
import { rateAt, type LoraPlus } from '../optimisers/update-rates.ts'
import {
  checkpointBytes,
  identityOf,
  restoreCheckpoint,
  saveCheckpoint,
  trainedStates,
  type RunFolder,
  type RunIdentity,
} from '../runs/index.ts'
import type { TrainingTask } from '../task.ts'

/** A tensor of the adapter's file within the flat parameters of a checkpoint: rows of `columns` numbers, `stride` apart. */
export interface HandedTensor {
  name: string
  /** In the file. */
  shape: readonly number[]
  start: number
  rows: number
  columns: number
  stride: number
  /** What the flat parameters have more than the file. */
  plus: number
  weightDecay: number
  /** What the learning rate is multiplied by. */
  learningRateFactor: number
}

/** Where another engine takes over. */
export interface HandedStart {
  run: RunFolder['run']
  identity: RunIdentity
  /** Steps made before. */
  step: number
  notes: readonly string[]
  /** Numbers of the flat parameters, and the tensors that they are. */
  size: number
  tensors: HandedTensor[]
  /** Writes it as a checkpoint, which becomes this folder; one that is there is replaced. */
  write(path: string): Promise<void>
}

/**
 * What a run begins with, or goes on from, for another engine.
 *
 * @param begin  whether the run's own folder is begun, too
 * @throws FettleError for an adapter whose tensors are other ones in its file; as `openRun` where the run cannot go on
 */
export async function handedStart<D extends Document>(
  { model, tokenizer, data, options, fingerprint, ...task }: TrainingTask<D>,
  folder: RunFolder,
  begin: boolean,
): Promise<HandedStart> {
  const internals = internalsOf(model)
  const training = await internals.training()
  const optimiser = task.optimiser(training.trainable)
  const states = trainedStates(internals, training, optimiser)
  const identity = await identityOf(model, data, options, await folder.base, fingerprint)
  const begun = begin ? await folder.begin(identity, data.steps, checkpointBytes(model, states)) : []
  const notes = [...optimNotes(options.optim), ...begun]
  if (folder.from) {
    await restoreCheckpoint(folder.from.path, states)
    await internals.inTurn(() => training.parametersChanged())
  }
  const { monitor, ...before } = folder.from?.state ?? { step: 0, passes: 0, tokens: 0 }
  const state = { ...before, ...(monitor && { monitor }), run: folder.run, steps: data.steps, identity }
  return {
    run: folder.run,
    identity,
    step: state.step,
    notes,
    size: training.trainable.size,
    tensors: tensorsOf(internals.state.trainable?.tensors ?? [], (start) =>
      rateAt(training.trainable, { weightDecay: options.weightDecay, loraPlus: loraPlusOf(options) }, start),
    ),
    async write(path) {
      await removePath(path)
      await movePath(await saveCheckpoint(model, tokenizer, states, dirname(path), state), path)
    },
  }
}

function tensorsOf(
  trained: NonNullable<ReturnType<typeof internalsOf>['state']['trainable']>['tensors'],
  rate: (start: number) => { factor: number; decay: number },
): HandedTensor[] {
  return trained.flatMap(({ start: first, slices }) =>
    slices.map(({ name, shape, offset, rows, columns, stride, stored }) => {
      const { adds, onlyReshapes } = stored?.transform ?? { adds: 0 }
      if (adds === undefined && !onlyReshapes)
        throw new FettleError({
          place: name,
          found: 'a tensor that is held in another layout than its file has',
          expected: 'LoRA on linear layers',
          cure: 'Train LoRA, leave it out of lora.modules_to_save, or train on fettle’s own engine.',
        })
      const start = first + offset
      const { factor, decay } = rate(start)
      const plus = adds ?? 0
      return {
        name,
        shape,
        start,
        rows,
        columns,
        stride,
        plus,
        weightDecay: decay,
        learningRateFactor: factor,
      }
    }),
  )
}

/** As `optimiserOf` has it. */
function loraPlusOf({
  loraplusLrRatio: outputs,
  loraplusLrEmbedding = 1e-6,
  learningRate,
}: TrainingTask['options']): LoraPlus | undefined {
  return outputs === undefined ? undefined : { outputs, embedding: loraplusLrEmbedding / learningRate }
}
