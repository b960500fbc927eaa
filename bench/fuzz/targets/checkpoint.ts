import { link, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AutoModelForCausalLM, AutoTokenizer, trainSft } from '../../../src/index.ts'
import { mutateBytes } from '../mutate/bytes.ts'
import type { Target } from '../target.ts'
import { mutateJsonFile } from './model-files.ts'
import { demoData, digest, tinyModel } from './seeds.ts'

const lastStep = 3
/** Rows of the demo's data: a run of three steps sees no more, and preparing is most of a case. */
const rowCount = 24

/** What a run trains, from its folder on. */
interface Place {
  model: string
  data: string
}

interface Ending {
  /** Ends after this step, as Ctrl-C does. */
  afterStep?: number
  /** Ends the run before its first step, where what comes is known: what it gives, by the steps done before. */
  known?: (firstStep: number) => Promise<string | undefined>
}

/** Trains to the last step in a folder and gives its adapter. */
async function train(
  { model: path, data }: Place,
  outputDir: string,
  resumeFromCheckpoint: boolean,
  { afterStep = lastStep, known }: Ending = {},
): Promise<string> {
  const model = await AutoModelForCausalLM.fromPretrained(path)
  const tokenizer = await AutoTokenizer.fromPretrained(path)
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
    for await (const event of events) {
      const result = event.type === 'start' ? await known?.(event.first_step) : undefined
      if (result !== undefined) return result
      if (event.type === 'step' && event.step === afterStep) controller.abort()
    }
    return digest(await readFile(join(outputDir, 'adapter_model.safetensors')).catch(() => 'no adapter'))
  } finally {
    await model.free()
  }
}

/** A model of the shipped one's kind, whose two layers are what a case costs least with. */
async function makeModel(folder: string): Promise<void> {
  const config = JSON.parse(await readFile(join(tinyModel, 'config.json'), 'utf8')) as object
  const model = await AutoModelForCausalLM.fromConfig({ ...config, num_hidden_layers: 2 }, { seed: 1 })
  await model.save(folder)
  await model.free()
  await (await AutoTokenizer.fromPretrained(tinyModel)).save(folder)
}

/** Paths of the files in a folder, from there. */
async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  return found
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .toSorted()
}

/** The content of a folder's files. */
async function contentOf(folder: string): Promise<string> {
  const names = await filesIn(folder)
  return digest(names.join('\n'), ...(await Promise.all(names.map((name) => readFile(join(folder, name))))))
}

/** One file of a run's last checkpoint is damaged, then the run is resumed: it must end as the undamaged run ends, or be refused. */
export const checkpoint: Target = {
  name: 'checkpoint',
  async open(folder) {
    // A worker that replaces another finds its runs, which are not to be begun again.
    await rm(folder, { recursive: true, force: true })
    const place = { model: join(folder, 'model'), data: join(folder, 'data.jsonl') }
    await makeModel(place.model)
    const rows = (await readFile(demoData, 'utf8')).split('\n').slice(0, rowCount)
    await writeFile(place.data, rows.join('\n'))
    const expected = await train(place, join(folder, 'whole'), false)
    const interrupted = join(folder, 'interrupted')
    await train(place, interrupted, false, { afterStep: lastStep - 1 })
    const copy = join(folder, 'copy')
    const all = await filesIn(interrupted)
    const stepOf = (name: string): number | undefined => {
      const [, step] = /^checkpoint-(\d+)\//.exec(name) ?? []
      return step === undefined ? undefined : Number(step)
    }
    const names = all
      .filter((name) => stepOf(name) === lastStep - 1)
      .map((name) => name.slice(name.indexOf('/') + 1))
    const whole = new Map<number, string>()
    for (const step of [lastStep - 1, lastStep - 2])
      whole.set(step, await contentOf(join(interrupted, `checkpoint-${step}`)))

    /** Files of checkpoints are never written again under their name, so that one that is not damaged is the same file. */
    async function copyRun(): Promise<void> {
      await rm(copy, { recursive: true, force: true })
      for (const name of all) {
        await mkdir(dirname(join(copy, name)), { recursive: true })
        if (stepOf(name) === undefined)
          await writeFile(join(copy, name), await readFile(join(interrupted, name)))
        else await link(join(interrupted, name), join(copy, name))
      }
    }
    /** What each whole checkpoint leads to, tried once; it takes as long as all that comes before it. */
    const results = new Map<number, string>()
    for (const step of whole.keys()) {
      await copyRun()
      for (let later = step + 1; later < lastStep; later += 1)
        await rm(join(copy, `checkpoint-${later}`), { recursive: true })
      results.set(step, await train(place, copy, true))
    }
    const known = async (step: number): Promise<string | undefined> => {
      const isWhole = (await contentOf(join(copy, `checkpoint-${step}`))) === whole.get(step)
      return isWhole ? results.get(step) : undefined
    }
    return {
      expected,
      async run(random) {
        await copyRun()
        // One in ten damages the one before as well.
        const steps = random.next() < 0.1 ? [lastStep - 1, lastStep - 2] : [lastStep - 1]
        for (const step of steps) {
          const path = join(copy, `checkpoint-${step}`, random.of(names))
          const bytes = await readFile(path)
          await rm(path)
          await writeFile(
            path,
            path.endsWith('.json') && random.next() < 0.6
              ? mutateJsonFile(random, bytes)
              : mutateBytes(random, bytes, Math.min(bytes.length, 4000)),
          )
        }
        // One in fifty goes on to the end also where it goes on from what is whole.
        return train(place, copy, true, random.next() < 0.02 ? {} : { known })
      },
    }
  },
}
