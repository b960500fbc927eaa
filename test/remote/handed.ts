import { join } from 'node:path'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { writeHandOff, type HandOff } from '../../src/remote/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { train, type Execute, type TrainOptionsInput } from '../../src/train/index.ts'

/** Hands over a run of the tiny model of a workplace (test/cli/tiny-model.ts). */
export async function handOver(
  workplace: string,
  options: Partial<TrainOptionsInput>,
  folder: string,
): Promise<HandOff> {
  let written: HandOff | undefined
  const execute: Execute = async function* (task) {
    written = await writeHandOff(task, folder)
    // It is a hand-off, and no training: nothing happens that would be an event.
    yield* []
  }
  for await (const _ of train(await inputOf(workplace, options, execute)));
  if (!written) throw new Error('nothing was handed over')
  return written
}

/** A run of the tiny model that is carried out by somebody else. */
export async function inputOf(workplace: string, options: Partial<TrainOptionsInput>, execute: Execute) {
  const model = await AutoModelForCausalLM.fromPretrained(join(workplace, 'model'), { engine: 'reference' })
  const tokenizer = await AutoTokenizer.fromPretrained(join(workplace, 'model'))
  return {
    data: [{ path: join(workplace, 'train.jsonl') }],
    lora: { r: 2, targetModules: ['q_proj', 'v_proj'] },
    maxLength: 64,
    perDeviceTrainBatchSize: 1,
    learningRate: 1e-2,
    ...options,
    model,
    tokenizer,
    execute,
  }
}
