import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import type { AutoModelForCausalLM } from '../../src/model/index.ts'
import type { Tokenizer } from '../../src/tokenizer/index.ts'
import type { StepEvent, TrainEvent, TrainInput } from '../../src/train/index.ts'

/** What a run is given besides its model, its folder and its signal. */
export type Given<I extends TrainInput = TrainInput> = Partial<Omit<I, 'model' | 'tokenizer' | 'signal'>>

/** Trains, and yields what happens: `trainDpo`, `trainGrpo`. */
export type Trainer<I extends TrainInput = TrainInput> = (input: I) => AsyncGenerator<TrainEvent>

/** Runs of a test file, each in a folder of its name. */
export interface Runs<I extends TrainInput> {
  place(name: string, ...path: string[]): string
  /** @param stop  the step after which the run is told to stop, or what tells it */
  run(
    trainer: Trainer<I>,
    name: string,
    given?: Given<I>,
    stop?: number | AbortController,
  ): Promise<TrainEvent[]>
  /** A run that is stopped and goes on tells and saves what the whole one does. */
  expectSameBits(
    trainer: Trainer<I>,
    name: string,
    given: Given<I>,
    stop: number | AbortController,
  ): Promise<void>
}

/** @param usual  what all runs are given */
export function createRuns<I extends TrainInput>(
  load: () => Promise<AutoModelForCausalLM>,
  tokenizer: Tokenizer,
  usual: Given<I>,
): Runs<I> {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fettle-runs-'))
  })
  afterAll(() => rm(folder, { recursive: true }))
  const place = (...path: string[]) => join(folder, ...path)
  const run: Runs<I>['run'] = async (trainer, name, given, stop = Infinity) => {
    const model = await load()
    const controller = typeof stop === 'number' ? new AbortController() : stop
    const events: TrainEvent[] = []
    const input = { ...usual, ...given, model, tokenizer, outputDir: place(name), signal: controller.signal }
    try {
      for await (const event of trainer(input as I)) {
        events.push(event)
        if (event.type === 'step' && event.step === stop) controller.abort()
      }
    } finally {
      await model.free()
    }
    return events
  }
  return {
    place,
    run,
    async expectSameBits(trainer, name, given, stop) {
      const first = await run(trainer, name, given, stop)
      expect(first.at(-1)).toMatchObject({ type: 'end', interrupted: true })
      const rest = await run(trainer, name, { ...given, resumeFromCheckpoint: true })
      const whole = await run(trainer, `${name} whole`, given)
      expect([...numbersOf(first), ...numbersOf(rest)]).toEqual(numbersOf(whole))
      const saved = (run: string) =>
        readFile(place(run, given.lora === null ? 'model.safetensors' : 'adapter_model.safetensors'))
      expect((await saved(name)).equals(await saved(`${name} whole`))).toBe(true)
    },
  }
}

export function stepsOf(events: readonly TrainEvent[]): StepEvent[] {
  return events.filter((event): event is StepEvent => event.type === 'step')
}

function numbersOf(events: readonly TrainEvent[]) {
  return stepsOf(events).map(({ step, loss, grad_norm, metrics }) => ({ step, loss, grad_norm, metrics }))
}
