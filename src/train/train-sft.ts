import type { AutoModelForCausalLM } from '../model/index.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import { alignSpecialTokens } from './align.ts'
import type { PrepareEvent, TrainEvent } from './events.ts'
import { readTrainOptions, refuseOtherLoading, type TrainOptionsInput } from './options/index.ts'
import { sft } from './objectives/sft.ts'
import { optimiserOf } from './optimisers/optimiser-of.ts'
import { eventsOf } from './preparation/index.ts'
import { prepareData } from './prepare.ts'
import { addRunAdapter, refuseOtherAdapter } from './run-adapter.ts'
import { runTraining } from './run-training.ts'
import { openRunFolder } from './runs/index.ts'

/** A run: what is trained, on what, how, and a signal that ends it after the step that is under way. */
export type TrainSftInput = TrainOptionsInput & {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  signal?: AbortSignal
}

/**
 * Supervised fine-tuning: prepares the data, trains, evaluates and saves; everything that happens is an event.
 * With the same options, data and thread count it gives the same bits, also when it was interrupted and resumed.
 *
 * @throws FettleError (exit code 2) for wrong options or data, (1) when the loss is no longer a number; the signal's reason, when it
 *   comes before training begins
 */
export async function* trainSft({
  model,
  tokenizer,
  signal,
  ...given
}: TrainSftInput): AsyncGenerator<TrainEvent, void, undefined> {
  const options = readTrainOptions(given)
  const begun = performance.now()
  refuseOtherLoading(model, options)
  await refuseOtherAdapter(model, options, given)
  const folder = await openRunFolder(model, options)
  try {
    const { stopTokenIds, newTokenIds } = await alignSpecialTokens(model, tokenizer, options)
    const { vocabSize } = model
    const data = yield* eventsOf((tell: (event: PrepareEvent) => void) =>
      prepareData({ options, tokenizer, vocabSize, signal, tell }),
    )
    await addRunAdapter(model, options, newTokenIds)
    yield* runTraining({
      model,
      tokenizer,
      objective: sft(stopTokenIds),
      optimiser: optimiserOf(options),
      data,
      options,
      folder,
      signal,
      begun,
    })
  } finally {
    await folder.close()
  }
}
