import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../../src/model/index.ts'
import { fixture } from '../../model/golden.ts'
import { AutoTokenizer } from '../../../src/tokenizer/index.ts'
import {
  prepareRun,
  trainDpo,
  trainKto,
  train,
  type StartEvent,
  type TrainInput,
} from '../../../src/train/index.ts'
import { createRuns, type Given, type Trainer } from '../stopped-runs.ts'

const tiny = join(import.meta.dirname, '../../../assets/tiny-llama')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)

const pairs = Array.from({ length: 8 }, (_, i) => ({
  prompt_ids: [5, 6, 7 + i],
  chosen_ids: [20 + i, 30 + i, 2],
  rejected_ids: [40 + i, 50 + i, 60 + i, 2],
}))

const { run, place, expectSameBits } = createRuns<TrainInput>(
  () => AutoModelForCausalLM.fromPretrained(fixture('llama'), { dtype: 'float32' }),
  tokenizer,
  {
    data: [{ rows: pairs, name: 'rows' }],
    lora: { r: 4, loraDropout: 0.5 },
    learningRate: 1e-3,
    perDeviceTrainBatchSize: 2,
    saveSteps: 0,
  },
)

describe('goes on to the same bits', () => {
  it.each<[string, Trainer, Given]>([
    ['dpo', trainDpo, {}],
    ['dpo whose reference follows', trainDpo, { syncRefModel: true, refModelSyncSteps: 1 }],
    [
      'dpo with a reference computed before',
      trainDpo,
      { precomputeRefLogProbs: true, lossType: ['aot', 'sft'] },
    ],
    ['dpo of every weight', trainDpo, { lora: null, learningRate: 1e-5 }],
    ['kto', trainKto, {}],
  ])('%s', (name, trainer, given) => expectSameBits(trainer, name, given, 2))
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

it('evaluates on a validation split beside the data, if nobody says otherwise', async () => {
  const lines = (from: number, to: number) => pairs.slice(from, to).map((row) => `${JSON.stringify(row)}\n`)
  await mkdir(place('split'))
  await writeFile(place('split', 'train.jsonl'), lines(0, 6).join(''))
  await writeFile(place('split', 'validation.jsonl'), lines(6, 8).join(''))
  const data = [{ path: place('split') }]
  const events = await run(trainDpo, 'found', { data, maxSteps: 1, evalSteps: 0 })
  const [start] = events
  expect((start as StartEvent).data_notes.at(-1)).toMatch(
    /^eval_data: .*split:validation\[:128\], found beside/,
  )
  const evaluated = events.filter((event) => event.type === 'eval')
  expect(evaluated.map(({ learned_tokens }) => learned_tokens)).toEqual([14, 14])
  const without = await run(trainDpo, 'without', { data, evalData: null, maxSteps: 1 })
  expect(without.some(({ type }) => type === 'eval')).toBe(false)
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
  // Un-paired, both are learned, as in TRL.
  const [unpaired] = await run(trainKto, 'un-paired', {
    data: [{ rows: [...pairs, equal], name: 'rows' }],
    maxSteps: 1,
  })
  expect((unpaired as StartEvent).data_notes).toEqual([
    '1 pair has equal answers, learned as wanted and as unwanted: rows#8',
  ])
  expect(unpaired).toMatchObject({ examples: 18 })
})

it.each<[string, Given, string, string]>([
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
    'answers that say something',
    { method: 'dpo', data: [{ rows: [{ prompt: 'a', chosen: '', rejected: 'b' }], name: 'rows' }] },
    'rows#0',
    'chosen and rejected, with or without prompt',
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

it('is not prepared and kept, which fettle prepare says', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(tiny)
  const events = prepareRun({ model, tokenizer, method: 'dpo', data: [{ rows: pairs, name: 'rows' }] })
  await expect(events.next()).rejects.toThrow(
    /method: dpo; expected sft, .* fettle inspect --method dpo shows what it makes of them/,
  )
  await model.free()
})
