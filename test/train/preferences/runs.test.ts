import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../../src/model/index.ts'
import { fixture } from '../../model/golden.ts'
import { AutoTokenizer } from '../../../src/tokenizer/index.ts'
import {
  trainDpo,
  trainKto,
  train,
  type StartEvent,
  type StepEvent,
  type TrainEvent,
  type TrainInput,
} from '../../../src/train/index.ts'

const tiny = join(import.meta.dirname, '../../../assets/tiny-llama')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-preferences-'))
})
afterAll(() => rm(folder, { recursive: true }))

const pairs = Array.from({ length: 8 }, (_, i) => ({
  prompt_ids: [5, 6, 7 + i],
  chosen_ids: [20 + i, 30 + i, 2],
  rejected_ids: [40 + i, 50 + i, 60 + i, 2],
}))

type Trainer = (input: TrainInput) => AsyncGenerator<TrainEvent>
type Options = Partial<Omit<TrainInput, 'model' | 'tokenizer'>>

async function run(
  trainer: Trainer,
  name: string,
  options: Options,
  stopAfter = Infinity,
): Promise<TrainEvent[]> {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { dtype: 'float32' })
  const stop = new AbortController()
  const events: TrainEvent[] = []
  for await (const event of trainer({
    data: [{ rows: pairs, name: 'rows' }],
    lora: { r: 4, loraDropout: 0.5 },
    learningRate: 1e-3,
    perDeviceTrainBatchSize: 2,
    saveSteps: 0,
    ...options,
    model,
    tokenizer,
    outputDir: join(folder, name),
    signal: stop.signal,
  })) {
    events.push(event)
    if (event.type === 'step' && event.step === stopAfter) stop.abort()
  }
  await model.free()
  return events
}

const steps = (events: TrainEvent[]) => events.filter((event): event is StepEvent => event.type === 'step')
const numbers = (events: TrainEvent[]) =>
  steps(events).map(({ step, loss, grad_norm, metrics }) => ({ step, loss, grad_norm, metrics }))
const adapter = (name: string) => readFile(join(folder, name, 'adapter_model.safetensors'))

describe('goes on to the same bits', () => {
  it.each<[string, Trainer, Options]>([
    ['dpo', trainDpo, {}],
    ['dpo whose reference follows', trainDpo, { syncRefModel: true, refModelSyncSteps: 1 }],
    [
      'dpo with a reference computed before',
      trainDpo,
      { precomputeRefLogProbs: true, lossType: ['aot', 'sft'] },
    ],
    ['dpo of every weight', trainDpo, { lora: null, learningRate: 1e-5 }],
    ['kto', trainKto, {}],
  ])('%s', async (name, trainer, options) => {
    const whole = await run(trainer, `${name} whole`, options)
    const first = await run(trainer, name, options, 2)
    expect(first.at(-1)).toMatchObject({ type: 'end', interrupted: true })
    const second = await run(trainer, name, { ...options, resumeFromCheckpoint: true })
    expect([...numbers(first), ...numbers(second)]).toEqual(numbers(whole))
    if (options.lora === undefined) expect(await adapter(name)).toEqual(await adapter(`${name} whole`))
  })
})

it('learns what is preferred, and tells it of held-out pairs too', async () => {
  const events = await run(trainDpo, 'learns', {
    evalData: [{ rows: pairs }],
    numTrainEpochs: 3,
    evalSteps: 0,
  })
  const evals = events.filter((event) => event.type === 'eval')
  expect(evals[0].loss).toBeCloseTo(Math.LN2, 5)
  expect(evals[1].loss).toBeLessThan(evals[0].loss)
  expect(evals[1].metrics?.['rewards/accuracies']).toBeGreaterThan(0.5)
})

it('leaves out pairs that are equal and prompts that fill max_length, and names them', async () => {
  const equal = { prompt_ids: [5], chosen_ids: [6, 2], rejected_ids: [6, 2] }
  const long = { prompt_ids: Array.from({ length: 41 }, () => 9), chosen_ids: [6], rejected_ids: [7] }
  const rows = [pairs[0], equal, long]
  const [start] = await run(trainDpo, 'left out', { data: [{ rows, name: 'rows' }], maxLength: 40 })
  expect((start as StartEvent).data_notes).toEqual([
    '1 pair is left out, as chosen and rejected are equal: rows#1',
    '1 pair is left out, as the prompt alone fills max_length 40: rows#2',
  ])
  expect(start).toMatchObject({ examples: 1, truncated_examples: 1 })
})

it.each<[string, Options, string, string]>([
  [
    'a loss of another method',
    { method: 'kto', lossType: 'ipo' },
    'loss_type',
    'a loss of kto: kto, apo_zero_unpaired',
  ],
  [
    'as many weights as losses',
    { method: 'dpo', lossType: ['ipo', 'sft'], lossWeights: [1] },
    'loss_weights',
    '2, one for each of loss_type',
  ],
  [
    'one loss',
    { method: 'cpo', lossType: ['ipo', 'hinge'] },
    'loss_type',
    'one with method cpo; only dpo adds several',
  ],
  [
    'what exo_pair divides by',
    { method: 'dpo', lossType: 'exo_pair' },
    'label_smoothing',
    'above 0, such as 1e-3',
  ],
  [
    'a reference that is fixed and follows',
    { method: 'dpo', syncRefModel: true, precomputeRefLogProbs: true },
    'sync_ref_model',
    'one of the two',
  ],
  [
    'only equal pairs',
    {
      method: 'dpo',
      data: [{ rows: [{ prompt_ids: [5], chosen_ids: [6], rejected_ids: [6] }], name: 'rows' }],
    },
    'rows',
    'at least one pair',
  ],
])('asks for %s', async (name, options, place, expected) => {
  await expect(run(train, name, options)).rejects.toMatchObject({ problems: [{ place, expected }] })
})

it('docs/preferences.md: the program', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/preferences.md'), 'utf8')
  const [, code] = /```ts\n([\s\S]*?)```/.exec(page) ?? []
  expect(code).toContain('trainDpo({ model, tokenizer, data: [{ rows }]')
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
  const { readRunOptions, runFileLayer } = await import('../../../src/train/index.ts')
  expect(readRunOptions([runFileLayer(yaml, 'run.yaml')])).toMatchObject({
    method: 'dpo',
    lossType: ['sigmoid', 'sft'],
  })
})
