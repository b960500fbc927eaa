import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { planEpoch } from '../../src/batch/index.ts'
import { readSafetensorsHeader, readTensorBytes } from '../../src/formats/index.ts'
import { handOffJsonSchema } from '../../src/remote/index.ts'
import { handOffSchema, type HandOffRecord } from '../../src/remote/hand-off/schema.ts'
import { learningRateAt, type TrainOptionsInput } from '../../src/train/index.ts'
import { makeWorkplace } from '../cli/tiny-model.ts'
import { handOver } from './handed.ts'

let workplace: string
beforeAll(async () => {
  workplace = await makeWorkplace()
  const answers = ['Much water.', 'Salt.', 'A place to swim in, wide and deep.']
  const pair = (i: number) => ({
    prompt: `What is the sea, ${i}?`,
    chosen: answers[i % 3],
    rejected: answers[(i + 1) % 3],
  })
  const lines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  await writeFile(join(workplace, 'pairs.jsonl'), lines([0, 1, 2, 3].map(pair)))
  await writeFile(
    join(workplace, 'labels.jsonl'),
    lines(
      [0, 1, 2, 3].map((i) => ({ prompt: pair(i).prompt, completion: pair(i).chosen, label: i % 2 === 0 })),
    ),
  )
})
afterAll(() => rm(workplace, { recursive: true }))

async function handed(name: string, options: Partial<TrainOptionsInput>) {
  const folder = join(workplace, name)
  const told = await handOver(workplace, options, folder)
  const record = handOffSchema.parse(JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')))
  return { folder, told, record, rows: await rowsIn(folder, record.shards) }
}

/** The columns of every row. */
async function rowsIn(folder: string, shards: HandOffRecord['shards']) {
  const rows: Record<string, number[]>[] = []
  for (const { file } of shards) {
    const { tensors } = await readSafetensorsHeader(join(folder, file))
    const columns = new Map<string, number[]>()
    for (const [name, info] of tensors) {
      const { buffer } = await readTensorBytes(info)
      columns.set(name, [...(info.dtype === 'F32' ? new Float32Array(buffer) : new Int32Array(buffer))])
    }
    const starts = columns.get('row_starts') ?? []
    columns.delete('row_starts')
    for (let i = 0; i + 1 < starts.length; i += 1)
      rows.push(
        Object.fromEntries([...columns].map(([name, all]) => [name, all.slice(starts[i], starts[i + 1])])),
      )
  }
  return rows
}

test('rows, learning rates and counts are those of this engine, epoch after epoch', async () => {
  const options = {
    maxSteps: 5,
    saveSteps: 2,
    evalData: [{ path: join(workplace, 'train.jsonl') }],
    evalSteps: 3,
  }
  const { record, rows, told } = await handed('packed', options)
  expect(told.steps).toBe(5)
  expect(record.steps.map(({ rows: [first, count] }) => [first, count])).toEqual(
    [0, 1, 2, 3, 4].map((i) => [i, 1]),
  )
  expect(rows).toHaveLength(5)
  const schedule = { lrSchedulerType: 'cosine' as const, learningRate: 1e-2 }
  for (const [i, step] of record.steps.entries()) {
    const { input_ids, labels, position_ids, document_ids } = rows[i]
    expect(step.tokens).toBe(input_ids.length)
    const learned = labels.filter(
      (label, at) => label !== -100 && at > 0 && document_ids[at] === document_ids[at - 1],
    )
    expect(step.learned_tokens).toBe(learned.length)
    expect(step.learning_rate).toBe(learningRateAt(i, 5, schedule))
    expect(labels.every((label, at) => label === -100 || label === input_ids[at])).toBe(true)
    let place = 0
    for (const [at, position] of position_ids.entries()) {
      place = at > 0 && document_ids[at] === document_ids[at - 1] ? place + 1 : 0
      expect(position).toBe(place)
    }
  }
  expect(record.steps.map(({ save }) => save === true)).toEqual([false, true, false, true, false])
  expect(record.steps.map(({ evaluate }) => evaluate === true)).toEqual([false, false, true, false, false])
  expect(record.evaluation?.shards[0].rows).toBe(2)
  expect(record.packed).toBe(true)
})

test('without packing each example is a row', async () => {
  const { record, rows } = await handed('single', {
    packing: false,
    numTrainEpochs: 1,
    perDeviceTrainBatchSize: 2,
  })
  expect(record.steps).toHaveLength(1)
  expect(rows).toHaveLength(2)
  expect(rows.every(({ document_ids }) => Math.max(...document_ids) === 0)).toBe(true)
  const plan = planEpoch({
    lengths: [1, 1],
    seed: 42,
    epoch: 0,
    shuffle: true,
    packing: false,
    maxLength: 64,
    perDeviceBatchSize: 2,
    gradientAccumulation: 1,
  })
  expect(plan.step(0)[0]).toHaveLength(2)
})

test('adapter_init is a checkpoint whose numbers the tensors of run.json find', async () => {
  const { folder, record } = await handed('start', { maxSteps: 1 })
  const { tensors: flat } = await readSafetensorsHeader(join(folder, 'adapter_init', 'optimizer.safetensors'))
  const { tensors: files } = await readSafetensorsHeader(
    join(folder, 'adapter_init', 'adapter_model.safetensors'),
  )
  const numbers = async (info: Parameters<typeof readTensorBytes>[0] | undefined) => {
    if (!info) throw new Error('missing')
    return new Float32Array((await readTensorBytes(info)).buffer)
  }
  const parameters = await numbers(flat.get('parameters'))
  expect(parameters).toHaveLength(record.parameters.size)
  expect(record.parameters.tensors.map(({ name }) => name).toSorted()).toEqual([...files.keys()].toSorted())
  for (const { name, start, rows, columns, stride } of record.parameters.tensors) {
    const own = await numbers(files.get(name))
    const found = Array.from(
      { length: rows * columns },
      (_, i) => parameters[start + Math.floor(i / columns) * stride + (i % columns)],
    )
    expect(found).toEqual([...own])
  }
})

test('pairs: +1 and −1, and what ld_alpha and means make of them', async () => {
  const options = { method: 'dpo' as const, data: [{ path: join(workplace, 'pairs.jsonl') }], maxSteps: 1 }
  const batch = { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2 }
  const { record, rows } = await handed('pairs', { ...options, ...batch, ldAlpha: 0.5 })
  expect(record.objective).toEqual({ method: 'dpo', loss_type: 'sigmoid', beta: 0.1, label_smoothing: 0 })
  expect(record.steps[0]).toMatchObject({ rows: [0, 4], micro_batches: [2, 2] })
  for (const { labels, document_ids, token_weights } of rows) {
    expect(new Set(document_ids)).toEqual(new Set([0, 1]))
    const of = (document: number) =>
      token_weights.filter(
        (_, i) => labels[i] !== -100 && document_ids[i] === document && document_ids[i - 1] === document,
      )
    const [chosen, rejected] = [of(0), of(1)]
    const shared = Math.min(chosen.length, rejected.length)
    expect(chosen).toEqual(chosen.map((_, i) => (i < shared ? 1 : 0.5)))
    expect(rejected).toEqual(rejected.map((_, i) => (i < shared ? -1 : -0.5)))
  }
  const means = await handed('means', { ...options, lossType: 'ipo' })
  const [{ token_weights }] = means.rows
  const sum = token_weights.reduce((total, weight) => total + weight, 0)
  expect(sum).toBeCloseTo(0, 5)
})

test('answers: the label is a sign, and the mismatched answer stands beside', async () => {
  const { record, rows } = await handed('labels', {
    method: 'kto',
    data: [{ path: join(workplace, 'labels.jsonl') }],
    maxSteps: 1,
    perDeviceTrainBatchSize: 4,
    undesirableWeight: 2,
  })
  expect(record.objective).toEqual({ method: 'kto', loss_type: 'kto', beta: 0.1 })
  const weights = rows.map(({ token_weights }) => token_weights.filter((weight) => weight !== 0))
  expect(weights.map(([first]) => first).toSorted((a, b) => a - b)).toEqual([-2, -2, 1, 1])
  for (const { document_ids, token_weights } of rows) {
    expect(new Set(document_ids)).toEqual(new Set([0, 1]))
    expect(token_weights.every((weight, i) => document_ids[i] === 0 || weight === 0)).toBe(true)
  }
})

test('all weights: adapter_init is the model, and tied tensors have one place', async () => {
  const { folder, record } = await handed('whole', { maxSteps: 1, lora: null, optim: 'sgd' })
  expect(record.lora).toBeNull()
  expect(record.optimiser).toEqual({
    name: 'sgd',
    momentum: 0,
    dampening: 0,
    nesterov: false,
    max_grad_norm: 1,
  })
  const { tensors } = await readSafetensorsHeader(join(folder, 'adapter_init', 'model.safetensors'))
  expect(record.parameters.tensors.map(({ name }) => name).toSorted()).toEqual([...tensors.keys()].toSorted())
  const { tensors: flat } = await readSafetensorsHeader(join(folder, 'adapter_init', 'optimizer.safetensors'))
  expect([...flat.keys()]).toEqual(['parameters'])
})

test('pairs by their own likelihood: means or sums of the answers, and what is learned beside them', async () => {
  const options = {
    data: [{ path: join(workplace, 'pairs.jsonl') }],
    maxSteps: 1,
    perDeviceTrainBatchSize: 4,
  }
  const of = ({ token_weights }: Record<string, number[]>, sign: number) =>
    token_weights.filter((weight) => Math.sign(weight) === sign)
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  const orpo = await handed('orpo', { ...options, method: 'orpo' })
  expect(orpo.record.objective).toEqual({ method: 'orpo', beta: 0.1 })
  const learnedOf = ({ labels, document_ids }: Record<string, number[]>, document: number) =>
    labels.filter(
      (label, i) => label !== -100 && document_ids[i] === document && document_ids[i - 1] === document,
    )
  for (const row of orpo.rows) {
    expect(sum(of(row, 1))).toBeCloseTo(1, 5)
    expect(sum(of(row, -1))).toBeCloseTo(-1, 5)
    // The prompt of the chosen answer is learned, and no part of the answer.
    expect(learnedOf(row, 0).length).toBeGreaterThan(of(row, 1).length)
    expect(learnedOf(row, 1)).toHaveLength(of(row, -1).length)
  }
  expect(orpo.record.steps[0].chosen_tokens).toEqual([sum(orpo.rows.map((row) => learnedOf(row, 0).length))])
  const cpo = await handed('cpo', { ...options, method: 'cpo', cpoAlpha: 0.5 })
  expect(cpo.record.objective).toMatchObject({
    method: 'cpo',
    loss_type: 'sigmoid',
    cpo_alpha: 0.5,
    alpha: 0,
  })
  for (const row of cpo.rows) expect(new Set(row['token_weights'])).toEqual(new Set([0, 1, -1]))
  const simpo = await handed('simpo', { ...options, method: 'cpo', lossType: 'simpo' })
  for (const row of simpo.rows) expect(sum(row['token_weights'])).toBeCloseTo(0, 5)
})

test.each([
  [
    'an optimiser',
    { optim: 'muon' as const },
    /optim: muon; expected adamw, lion, sgd, adafactor.*Set optim: adamw/,
  ],
  ['a rounded base', { lora: { r: 2, initLoraWeights: 'loftq' as const } }, /init_lora_weights: loftq/],
  ['what evaluations decide', { lrSchedulerType: 'reduce_lr_on_plateau' as const }, /lr_scheduler_type/],
  ['noise', { neftuneNoiseAlpha: 5 }, /neftune_noise_alpha: 5/],
])('%s that the runner does not know is refused by name', async (_, options, message) => {
  await expect(handed('refused', { maxSteps: 1, ...options })).rejects.toThrow(message)
})

test('the schema in docs is that of the code', async () => {
  const path = join(import.meta.dirname, '..', '..', 'docs', 'hand-off.schema.json')
  const text = `${JSON.stringify(handOffJsonSchema(), null, 2)}\n`
  if (process.env['UPDATE']) await writeFile(path, text)
  expect(await readFile(path, 'utf8')).toBe(text)
})
