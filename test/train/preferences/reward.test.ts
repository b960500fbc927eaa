import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineProblem } from '../../../src/engine/index.ts'
import { readSafetensorsHeader, writeSafetensors } from '../../../src/formats/index.ts'
import { AutoModelForCausalLM } from '../../../src/model/index.ts'
import { AutoTokenizer, type Tokenizer } from '../../../src/tokenizer/index.ts'
import {
  trainReward,
  trainSft,
  type StartEvent,
  type StepEvent,
  type TrainInput,
} from '../../../src/train/index.ts'
import { fixture, maxDifference, readTensors } from '../../model/golden.ts'
import { expectRecordedSteps, expectRecordedTensors } from '../recorded-steps.ts'

interface Case {
  options: Record<string, unknown>
  batch: number
  rows: Record<string, unknown>[]
  steps: Record<string, number>[]
  texts: number[][]
  scores: number[]
}

const preference = (name: string) => join(import.meta.dirname, '../../fixtures/preference', name)
const golden = JSON.parse(await readFile(preference('reward.json'), 'utf8')) as {
  cases: Record<string, Case>
}
const weights = await readTensors(preference('reward.safetensors'))
const engines =
  (await engineProblem('native')) === undefined
    ? (['reference', 'native'] as const)
    : (['reference'] as const)

let folder = ''
let tokenizer: Tokenizer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-reward-'))
  tokenizer = await AutoTokenizer.fromPretrained(join(import.meta.dirname, '../../../assets/tiny-llama'))
})
afterAll(() => rm(folder, { recursive: true }))

const renamed = (options: Record<string, unknown>): Partial<TrainInput> =>
  Object.fromEntries(
    Object.entries(options)
      .filter(([key]) => key !== 'whole')
      .map(([key, value]) => [key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), value]),
  )

/** The model as LlamaForSequenceClassification saves it, with the head that the recorded run began with. */
async function classifier(): Promise<string> {
  const place = join(folder, 'classifier')
  await mkdir(place, { recursive: true })
  const base = await readTensors(fixture('llama', 'model.safetensors'))
  const { tensors: header } = await readSafetensorsHeader(fixture('llama', 'model.safetensors'))
  const begun = await readTensors(preference('reward-begun/adapter_model.safetensors'))
  const score = await begun.floats('base_model.model.score.weight')
  const config = JSON.parse(await readFile(fixture('llama', 'config.json'), 'utf8')) as {
    hidden_size: number
  }
  const names = base.names.filter((name) => name !== 'lm_head.weight')
  const tensors = await Promise.all(
    names.map(async (name) => {
      const data = await base.floats(name)
      return { name, shape: header.get(name)?.shape ?? [], dtype: 'F32' as const, data: async () => data }
    }),
  )
  await writeSafetensors(join(place, 'model.safetensors'), [
    ...tensors,
    { name: 'score.weight', shape: [1, config.hidden_size], dtype: 'F32', data: async () => score },
  ])
  const written = { ...config, architectures: ['LlamaForSequenceClassification'], id2label: { 0: 'LABEL_0' } }
  await writeFile(join(place, 'config.json'), JSON.stringify(written))
  await copyFile(fixture('llama', 'generation_config.json'), join(place, 'generation_config.json'))
  return place
}

describe.each(engines)('%s', (engine) => {
  it.each(Object.entries(golden.cases))('scores as TRL does: %s', async (name, recorded) => {
    const { options, batch, rows, steps, texts, scores } = recorded
    const isWhole = options['whole'] === true
    const load = (path: string) => AutoModelForCausalLM.fromPretrained(path, { engine, dtype: 'float32' })
    const model = await load(isWhole ? await classifier() : fixture('llama'))
    if (!isWhole) await model.loadAdapter(preference('reward-begun'))
    const outputDir = join(folder, `${engine}-${name}`)
    const events: StepEvent[] = []
    for await (const event of trainReward({
      learningRate: 5e-3,
      ...renamed(options),
      model,
      tokenizer,
      data: [{ rows }],
      outputDir,
      ...(isWhole && { lora: null }),
      perDeviceTrainBatchSize: batch,
      shuffle: false,
      maxSteps: steps.length,
      lrSchedulerType: 'constant',
      warmupSteps: 0,
      weightDecay: 0.01,
      saveSteps: 0,
    }))
      if (event.type === 'step') events.push(event)
    expectRecordedSteps(events, steps, (key) => ['epoch', 'step'].includes(key))
    const actual = await readTensors(
      join(outputDir, isWhole ? 'model.safetensors' : 'adapter_model.safetensors'),
    )
    expect(actual.names).toContain(isWhole ? 'score.weight' : 'base_model.model.score.weight')
    await expectRecordedTensors(actual, weights, name)

    // Loaded again it scores as it did, and as Transformers does.
    const again = await load(isWhole ? outputDir : fixture('llama'))
    if (!isWhole) await again.loadAdapter(outputDir)
    const found = await again.score({ inputIds: texts })
    expect(found).toEqual(await model.score({ inputIds: texts }))
    expect(maxDifference(Float32Array.from(found), Float32Array.from(scores))).toBeLessThan(2e-4)
    await Promise.all([model.free(), again.free()])
  })
})

describe('a reward model', () => {
  const rows = [
    { prompt: 'The sky is', chosen: ' blue.', rejected: ' green.', margin: 0.5 },
    {
      chosen: [
        { role: 'user', content: 'A tree?' },
        { role: 'assistant', content: 'Oak.' },
      ],
      rejected: [
        { role: 'user', content: 'A tree?' },
        { role: 'assistant', content: 'A rock.' },
      ],
    },
    { prompt: 'The sky is', chosen: ' blue.', rejected: ' blue.' },
    { prompt: 'The sky is', chosen: ' blue.', rejected: ' green'.repeat(90) },
  ]
  const tiny = join(import.meta.dirname, '../../../assets/tiny-llama')
  const train = async (given: Partial<TrainInput>) => {
    const model = await AutoModelForCausalLM.fromPretrained(tiny)
    const events = []
    for await (const event of trainReward({
      data: [{ rows: rows.slice(0, 1) }],
      maxLength: 64,
      maxSteps: 2,
      saveSteps: 0,
      ...given,
      model,
      tokenizer,
      outputDir: join(folder, 'own'),
      overwrite: true,
    }))
      events.push(event)
    return { model, events }
  }

  it('has a head of its own, keeps its files, and says nothing', async () => {
    const { model, events } = await train({ evalData: [{ rows: rows.slice(0, 1) }] })
    const config = JSON.parse(await readFile(join(folder, 'own/adapter_config.json'), 'utf8')) as object
    expect(config).toMatchObject({ task_type: 'SEQ_CLS', modules_to_save: ['score'] })
    expect(events.filter(({ type }) => type === 'eval').at(0)).toHaveProperty('metrics.accuracy')
    const inputIds = [(await tokenizer.encode('The sky is')).inputIds]
    await expect(model.generate({ inputIds })).rejects.toThrow(/reward model/)
    await expect(model.forward({ inputIds })).rejects.toThrow(/reward model/)
    await model.withAdapterDisabled(async () => expect(await model.score({ inputIds })).toHaveLength(1))
    const sft = trainSft({
      model,
      tokenizer,
      data: [{ rows: [{ text: 'a' }] }],
      outputDir: join(folder, 'sft'),
    })
    await expect(sft.next()).rejects.toThrow(/reward model, which says nothing/)
    await model.mergeAdapter()
    await model.save(join(folder, 'merged'))
    const merged = await AutoModelForCausalLM.fromPretrained(join(folder, 'merged'))
    const [one, other] = [await merged.score({ inputIds }), await model.score({ inputIds })]
    expect(Math.abs(one[0] - other[0])).toBeLessThan(1e-2)
    expect(merged.config['architectures']).toEqual(['LlamaForSequenceClassification'])
    await Promise.all([model.free(), merged.free()])
  })

  it('leaves out pairs that are equal or too long, and names them', async () => {
    const { model, events } = await train({ data: [{ rows, name: 'rows' }] })
    const [start] = events.filter((event): event is StartEvent => event.type === 'start')
    expect(start.examples).toBe(2)
    expect(start.data_notes.join('\n')).toMatch(
      /equal: rows#2[\s\S]*answer and its prompt are longer than max_length 64: rows#3/,
    )
    await model.free()
  })

  it('refuses a margin that is none', async () => {
    await expect(train({ data: [{ rows: [{ ...rows[0], margin: 'much' }], name: 'rows' }] })).rejects.toThrow(
      'rows#0: margin is the string "much"; expected a number: by how much the chosen answer should win',
    )
  })

  it('scores only where it has a head for it', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(tiny)
    await expect(model.score({ inputIds: [[1]] })).rejects.toThrow(
      /a language model; expected a reward model/,
    )
    await model.free()
  })
})
