import { FettleError } from '../../error.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { alignSpecialTokens } from '../setup/align.ts'
import type { PrepareEvent } from '../events.ts'
import { readTrainOptions, type TrainOptionsInput } from '../options/index.ts'
import { eventsOf } from './index.ts'
import { prepareData } from './prepare-data.ts'
import type { TrainingData } from '../task.ts'

/** What was prepared; the last event. */
export type PreparedEvent = {
  type: 'prepared'
  rows_per_second: number
  steps: number
  steps_per_epoch: number
} & Omit<TrainingData['summary'], 'prepared'> & { prepared: NonNullable<TrainingData['summary']['prepared']> }

/** What to prepare: all that decides how `trainSft` would. */
export type PrepareRunInput = TrainOptionsInput & {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  signal?: AbortSignal
}

/**
 * Prepares the data of a run as `trainSft` does, which finds them the next time.
 *
 * @throws FettleError as `trainSft` does for options and data, and for another method: preferences and prompts are not kept; the signal's
 *   reason
 */
export async function* prepareRun({
  model,
  tokenizer,
  signal,
  ...given
}: PrepareRunInput): AsyncGenerator<PrepareEvent | PreparedEvent, void, undefined> {
  const options = readTrainOptions(given)
  const { method } = options
  if (method !== 'sft')
    throw new FettleError({
      place: 'method',
      found: method,
      expected: 'sft, whose rows are prepared once and kept',
      cure: `With ${method} fettle train reads the rows each time; fettle inspect --method ${method} shows what it makes of them.`,
    })
  await alignSpecialTokens(model, tokenizer, options)
  const { vocabSize } = model
  const { summary, steps, stepsPerEpoch } = yield* eventsOf((tell: (event: PrepareEvent) => void) =>
    prepareData({ options, tokenizer, vocabSize, signal, tell }),
  )
  const { prepared = { cache: null, reused: false, elapsed_ms: 0 } } = summary
  yield {
    type: 'prepared',
    ...summary,
    steps,
    steps_per_epoch: stepsPerEpoch,
    prepared,
    rows_per_second: (summary.rows / prepared.elapsed_ms) * 1000,
  }
}
