import type { Document } from '../../batch/index.ts'
import { FettleError } from '../../error.ts'
import { internalsOf, type AutoModelForCausalLM } from '../../model/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { alignSpecialTokens } from './align.ts'
import type { PrepareEvent, TrainEvent } from '../events.ts'
import type { PassSize } from '../memory/index.ts'
import {
  readTrainOptions,
  refuseOtherLoading,
  type TrainOptions,
  type TrainOptionsInput,
} from '../options/index.ts'
import { optimiserOf } from '../optimisers/optimiser-of.ts'
import { eventsOf } from '../preparation/index.ts'
import { addRunAdapter, labelledBatches, refuseOtherAdapter } from './run-adapter.ts'
import { runPasses } from './run-passes.ts'
import { runTraining } from '../loop/run-training.ts'
import { openRunFolder, type RunFolder } from '../runs/index.ts'
import type { TrainingTask } from '../task.ts'

/** A run: what is trained, on what, how, and a signal that ends it after the step that is under way. */
export type TrainInput = TrainOptionsInput & {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  signal?: AbortSignal
}

/** Carries a task out, and tells what happens: `runTraining`, or what hands it to another engine. */
export type Execute = <D extends Document>(
  task: TrainingTask<D> & { folder: RunFolder },
) => AsyncGenerator<TrainEvent, void, undefined>

/** What other rooms add to a run. */
export type ExecutedInput = TrainInput & { execute?: Execute | undefined }

/** What a method is told of a run. */
export interface RunContext {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  options: TrainOptions
  /** The tokens that end a turn. */
  stopTokenIds: readonly number[]
  /** Whether an adapter is trained that was not there before. */
  isNewAdapter: boolean
  signal?: AbortSignal | undefined
  /** Takes how far preparing is. */
  tell(event: PrepareEvent): void
}

/** What a method makes of it. */
export interface MethodTask<D extends Document> extends Pick<
  TrainingTask<D>,
  'objective' | 'data' | 'reference' | 'fingerprint'
> {
  /** Called when the adapter is on the model, and nothing is trained yet. */
  ready?(passes: PassSize | undefined): Promise<void>
}

/**
 * Puts a run together: options, template and special tokens, data, adapter, folder; then trains.
 *
 * @throws FettleError (exit code 2) for wrong options or data, (1) when the loss is no longer a number; the signal's reason, when it
 *   comes before training begins
 */
export async function* composeRun<D extends Document>(
  { model, tokenizer, signal, execute = runTraining, ...given }: ExecutedInput,
  taskOf: (context: RunContext) => Promise<MethodTask<D>>,
): AsyncGenerator<TrainEvent, void, undefined> {
  const options = readTrainOptions(given)
  const begun = performance.now()
  refuseRewardModel(model, options)
  refuseOtherLoading(model, options)
  await refuseOtherAdapter(model, options, given)
  const folder = await openRunFolder(model, options)
  try {
    const isNewAdapter = options.adapter === null && model.adapterConfig === null && options.lora !== null
    const { stopTokenIds, newTokenIds } = await alignSpecialTokens(model, tokenizer, options)
    const { ready, ...task } = yield* eventsOf((tell: (event: PrepareEvent) => void) =>
      taskOf({ model, tokenizer, options, stopTokenIds, isNewAdapter, signal, tell }),
    )
    await addRunAdapter(model, options, newTokenIds, {
      batches: () => labelledBatches(task.data, signal),
      checkpoint: folder.from?.path,
    })
    const passes = runPasses(model, options, folder.from)
    await ready?.(passes)
    yield* execute({
      ...task,
      passes,
      model,
      tokenizer,
      optimiser: await optimiserOf(options),
      options,
      folder,
      signal,
      begun,
    })
  } finally {
    await folder.close()
  }
}

/** @throws FettleError where a reward model would learn to say something */
function refuseRewardModel(model: AutoModelForCausalLM, { method }: TrainOptions): void {
  if (method === 'reward' || !internalsOf(model).state.architecture.isScored) return
  throw new FettleError({
    place: `method: ${method}`,
    found: 'a reward model, which says nothing',
    expected: 'a language model, or method: reward',
  })
}
