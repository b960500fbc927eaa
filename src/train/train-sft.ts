import { composeRun, type TrainInput } from './setup/compose-run.ts'
import type { TrainEvent } from './events.ts'
import { sft } from './objectives/sft.ts'
import { prepareData } from './preparation/prepare-data.ts'

/** A run of supervised fine-tuning. */
export type TrainSftInput = TrainInput

/**
 * Supervised fine-tuning: prepares the data, trains, evaluates and saves; everything that happens is an event.
 * With the same options, data and thread count it gives the same bits, also when it was interrupted and resumed.
 *
 * @throws FettleError (exit code 2) for wrong options or data, (1) when the loss is no longer a number; the signal's reason, when it
 *   comes before training begins
 */
export async function* trainSft(input: TrainSftInput): AsyncGenerator<TrainEvent, void, undefined> {
  yield* composeRun(
    { ...input, method: 'sft' },
    async ({ model: { vocabSize }, tokenizer, options, stopTokenIds, signal, tell }) => ({
      objective: sft(stopTokenIds),
      data: await prepareData({ options, tokenizer, vocabSize, signal, tell }),
    }),
  )
}
