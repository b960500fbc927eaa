import type { ExecutedInput, TrainInput } from './setup/compose-run.ts'
import type { TrainEvent } from './events.ts'
import { trainGrpo } from './grpo/index.ts'
import type { Method } from './options/index.ts'
import { trainCpo, trainDpo, trainKto, trainOrpo } from './preferences/train-preferences.ts'
import { trainReward } from './preferences/train-reward.ts'
import { trainSft } from './train-sft.ts'

type Trainer = (input: TrainInput) => AsyncGenerator<TrainEvent, void, undefined>

/** What trains by each method. */
const trainers: { [M in Method]: Trainer } = {
  sft: trainSft,
  dpo: trainDpo,
  kto: trainKto,
  orpo: trainOrpo,
  cpo: trainCpo,
  reward: trainReward,
  grpo: trainGrpo,
}

/** Trains by the method that the options name, as `trainSft`, `trainDpo` and so on; on another engine where `execute` says so. */
export async function* train(input: ExecutedInput): AsyncGenerator<TrainEvent, void, undefined> {
  yield* trainers[input.method ?? 'sft'](input)
}
