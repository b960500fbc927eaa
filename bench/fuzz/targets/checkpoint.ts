import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AutoModelForCausalLM, AutoTokenizer, trainSft } from '../../../src/index.ts'
import { mutateBytes } from '../mutate/bytes.ts'
import type { Target } from '../target.ts'
import { mutateJsonFile } from './model-files.ts'
import { demoData, digest, tinyModel } from './seeds.ts'

const lastStep = 3
/** Rows of the demo's data: a run of three steps sees no more, and preparing is most of a case. */
const rowCount = 24

/** Trains to the last step in a folder and gives its adapter. */
async function train(
  data: string,
  outputDir: string,
  resumeFromCheckpoint: boolean,
  maxSteps = lastStep,
): Promise<string> {
  const model = await AutoModelForCausalLM.fromPretrained(tinyModel)
  const tokenizer = await AutoTokenizer.fromPretrained(tinyModel)
  const controller = new AbortController()
  try {
    const events = trainSft({
      model,
      tokenizer,
      data: [data],
      outputDir,
      maxSteps: lastStep,
      saveSteps: 1,
      maxLength: 64,
      perDeviceTrainBatchSize: 1,
      lora: { r: 2 },
      resumeFromCheckpoint,
      signal: controller.signal,
    })
    for await (const event of events) if (event.type === 'step' && event.step === maxSteps) controller.abort()
    return digest(await readFile(join(outputDir, 'adapter_model.safetensors')).catch(() => 'no adapter'))
  } finally {
    await model.free()
  }
}

/** One file of a run's last checkpoint is damaged, then the run is resumed: it must end as the undamaged run ends, or be refused. */
export const checkpoint: Target = {
  name: 'checkpoint',
  async open(folder) {
    // A worker that replaces another finds its runs, which are not to be begun again.
    for (const run of ['whole', 'interrupted']) await rm(join(folder, run), { recursive: true, force: true })
    const data = join(folder, 'data.jsonl')
    const rows = (await readFile(demoData, 'utf8')).split('\n').slice(0, rowCount)
    await writeFile(data, rows.join('\n'))
    const expected = await train(data, join(folder, 'whole'), false)
    const interrupted = join(folder, 'interrupted')
    await train(data, interrupted, false, lastStep - 1)
    const copy = join(folder, 'copy')
    const files = await readdir(join(interrupted, `checkpoint-${lastStep - 1}`), {
      recursive: true,
      withFileTypes: true,
    })
    const names = files
      .filter((file) => file.isFile())
      .map(({ name }) => name)
      .toSorted()
    return {
      expected,
      async run(random) {
        await rm(copy, { recursive: true, force: true })
        await cp(interrupted, copy, { recursive: true })
        // One in ten damages the one before as well.
        const steps = random.next() < 0.1 ? [lastStep - 1, lastStep - 2] : [lastStep - 1]
        for (const step of steps) {
          const path = join(copy, `checkpoint-${step}`, random.of(names))
          const bytes = await readFile(path)
          await writeFile(
            path,
            path.endsWith('.json') && random.next() < 0.6
              ? mutateJsonFile(random, bytes)
              : mutateBytes(random, bytes, Math.min(bytes.length, 4000)),
          )
        }
        return train(data, copy, true)
      },
    }
  },
}
