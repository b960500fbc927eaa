import { join } from 'node:path'
import { nativeProblem } from '../../../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../../../src/model/index.ts'
import { AutoTokenizer } from '../../../src/tokenizer/index.ts'
import { trainSft, type TrainEvent, type TrainSftInput } from '../../../src/train/index.ts'

export const assets = join(import.meta.dirname, '..', '..', '..', 'assets')
export const tiny = join(assets, 'tiny-llama')
const engine = nativeProblem() === undefined ? 'native' : 'reference'

/** A run of six small steps, saved every second; `stopAfter` interrupts it. */
export async function tinyRun({
  stopAfter,
  modelPath = tiny,
  ...options
}: Partial<TrainSftInput> & { stopAfter?: number; modelPath?: string }): Promise<TrainEvent[]> {
  const model = await AutoModelForCausalLM.fromPretrained(modelPath, {
    engine,
    dtype: options.dtype ?? 'float32',
  })
  const tokenizer = await AutoTokenizer.fromPretrained(tiny)
  const controller = new AbortController()
  const events: TrainEvent[] = []
  try {
    for await (const event of trainSft({
      model,
      tokenizer,
      data: [join(assets, 'demo.jsonl')],
      maxSteps: 6,
      saveSteps: 2,
      perDeviceTrainBatchSize: 1,
      maxLength: 64,
      lora: { r: 2, loraDropout: 0.1, targetModules: ['q_proj'] },
      learningRate: 1e-3,
      signal: controller.signal,
      ...options,
    })) {
      events.push(event)
      if (event.type === 'step' && event.step === stopAfter) controller.abort()
    }
  } finally {
    await model.free()
  }
  return events
}

/** What a promise fails with, as text. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no failure',
    (error: unknown) => String(error),
  )
}
