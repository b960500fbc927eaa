import { rm } from 'node:fs/promises'
import { AutoModelForCausalLM, AutoTokenizer, trainSft } from '../src/index.ts'

/** What an adapter is made of. */
export interface AdapterRun {
  model: string
  data: string
  /** The run's folder; what is there is replaced. */
  output: string
  steps: number
}

/** A short run, so that answers are not the base's; a part of its rows is held out, for the certificate. */
export async function trainAdapter({ model, data, output, steps }: AdapterRun): Promise<void> {
  await rm(output, { recursive: true, force: true })
  await using loaded = await AutoModelForCausalLM.fromPretrained(model)
  for await (const event of trainSft({
    model: loaded,
    tokenizer: await AutoTokenizer.fromPretrained(model),
    data: [data],
    outputDir: output,
    lora: { r: 8, loraAlpha: 16, targetModules: 'all-linear' },
    maxLength: 256,
    perDeviceTrainBatchSize: 2,
    maxSteps: steps,
    learningRate: 1e-3,
    valSize: 0.05,
    evalStrategy: 'no',
    saveSteps: 0,
    seed: 1,
  }))
    if (event.type === 'step' && event.step % 5 === 1)
      console.log(`step ${event.step}: loss ${event.loss.toFixed(3)}`)
}
