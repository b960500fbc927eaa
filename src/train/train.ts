import type { TrainInput } from './compose-run.ts'
import type { TrainEvent } from './events.ts'
import type { Method } from './options/index.ts'
import { trainSft } from './train-sft.ts'

type Trainer = (input: TrainInput) => AsyncGenerator<TrainEvent, void, undefined>

/** What trains by each method. */
const trainers: { [M in Method]: () => Promise<Trainer> } = {
  sft: async () => trainSft,
  dpo: async () => (await import('./preferences/train-preferences.ts')).trainDpo,
  kto: async () => (await import('./preferences/train-preferences.ts')).trainKto,
  orpo: async () => (await import('./preferences/train-preferences.ts')).trainOrpo,
  cpo: async () => (await import('./preferences/train-preferences.ts')).trainCpo,
}

/** Trains by the method that the options name; as `trainSft`, `trainDpo` and so on. */
export async function* train(input: TrainInput): AsyncGenerator<TrainEvent, void, undefined> {
  const trainer = await trainers[input.method ?? 'sft']()
  yield* trainer(input)
}
