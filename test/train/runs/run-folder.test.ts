import { cp, mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TrainSftInput } from '../../../src/train/index.ts'
import { makeDefaultFolder, refuseHarm } from '../../../src/train/runs/output-dir.ts'
import { assets, failureOf, tiny, tinyRun } from './tiny-run.ts'

let place = ''
let stopped = ''
const home = process.cwd()
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'fettle-run-folder-'))
  stopped = join(place, 'stopped')
  await tinyRun({ outputDir: stopped, stopAfter: 3 })
})
afterAll(() => rm(place, { recursive: true }))

let run = ''
beforeEach(async () => {
  run = join(place, 'run')
  await cp(stopped, run, { recursive: true })
})
afterEach(async () => {
  process.chdir(home)
  await rm(run, { recursive: true, force: true })
})

const resume = (options: Partial<TrainSftInput> & { modelPath?: string }) =>
  tinyRun({ outputDir: run, resumeFromCheckpoint: true, ...options })

describe('what would make it another run is refused', () => {
  const others: [string, Partial<TrainSftInput>, string][] = [
    ['seed', { seed: 1 }, 'seed: 1; expected 42'],
    ['rank', { lora: { r: 4, loraDropout: 0.1, targetModules: ['q_proj'] } }, 'lora.r: 4; expected 2'],
    [
      'alpha',
      { lora: { r: 2, loraAlpha: 8, loraDropout: 0.1, targetModules: ['q_proj'] } },
      'lora.lora_alpha: 8; expected 32',
    ],
    ['dropout', { lora: { r: 2, targetModules: ['q_proj'] } }, 'lora.lora_dropout: 0; expected 0.1'],
    [
      'modules',
      { lora: { r: 2, loraDropout: 0.1, targetModules: ['k_proj'] } },
      'lora.target_modules: ["k_proj"]; expected ["q_proj"]',
    ],
    ['everything trained', { lora: null }, 'lora: false; expected true'],
    ['packing', { packing: false }, 'packing: false; expected true'],
    ['length', { maxLength: 96 }, 'max_length: 96; expected 64'],
    ['batch', { perDeviceTrainBatchSize: 2 }, 'per_device_train_batch_size: 2; expected 1'],
    ['accumulation', { gradientAccumulationSteps: 2 }, 'gradient_accumulation_steps: 2; expected 1'],
    ['order', { shuffle: false }, 'shuffle: false; expected true'],
    ['decay', { weightDecay: 0.1 }, 'weight_decay: 0.1; expected 0'],
    ['Adam', { adamBeta2: 0.95 }, 'adam_beta2: 0.95; expected 0.999'],
    ['pass size', { lowMemory: true }, 'low_memory: true; expected false'],
    ['type', { dtype: 'bfloat16' }, 'dtype: "bfloat16"; expected "float32"'],
    ['data', { data: [join(assets, 'demo-eval.jsonl')] }, 'data: '],
    [
      'masks',
      { learnHeader: true },
      'data: other tokens in the 400 examples of 18,336 tokens, with another learn_header',
    ],
    [
      'steps',
      { maxSteps: 8 },
      'max_steps: 8; expected 6, as in the run that wrote it. extend: true (--extend)',
    ],
    ['rate', { learningRate: 2e-3 }, 'learning_rate: 0.002; expected 0.001'],
    ['schedule', { lrSchedulerType: 'linear' }, 'lr_scheduler_type: "linear"; expected "cosine"'],
    [
      'fewer steps than are made',
      { maxSteps: 2, extend: true },
      'steps: 2; expected at least the 3 that are made',
    ],
  ]
  test.each(others)('%s', async (_, options, message) => {
    expect(await failureOf(resume(options))).toContain(message)
    expect((await readdir(run)).filter((name) => /-\d/.test(name))).toEqual(['checkpoint-2', 'checkpoint-3'])
  })

  test('the base model, by its weights', async () => {
    const other = join(place, 'other-model')
    await cp(tiny, other, { recursive: true })
    expect((await resume({ modelPath: other })).at(-1)).toMatchObject({ type: 'end', step: 6 })
    const weights = await readFile(join(other, 'model.safetensors'))
    // The middle of the last tensor.
    const header = Number(weights.readBigUInt64LE()) + 8
    const tensors = Object.values(
      JSON.parse(weights.subarray(8, header).toString()) as Record<string, { data_offsets?: number[] }>,
    )
    const [begin, end] = tensors.at(-1)?.data_offsets ?? [0, 0]
    weights[header + Math.floor((begin + end) / 2)] ^= 1
    await writeFile(join(other, 'model.safetensors'), weights)
    expect(await failureOf(resume({ modelPath: other }))).toContain(
      'model: another base model, by the hash of its weights',
    )
  })

  test('the adapter that it started from', async () => {
    const first = { adapter: stopped, outputDir: join(place, 'second') }
    await tinyRun({ ...first, stopAfter: 2 })
    const other = join(place, 'other-adapter')
    await tinyRun({ outputDir: other, seed: 3 })
    const attempt = tinyRun({ ...first, adapter: other, resumeFromCheckpoint: true })
    expect(await failureOf(attempt)).toMatch(/adapter: "sha256:[0-9a-f]{64}"; expected "sha256:/)
  })

  test('everything at once, before the data is read', async () => {
    const attempt = resume({ seed: 1, packing: false, maxSteps: 9, data: ['not-there.jsonl'] })
    const message = await failureOf(attempt)
    expect(message.split('\n')).toHaveLength(3)
    expect(message).not.toContain('not-there')
  })
})

test('what changes nothing is taken', async () => {
  const events = await resume({
    loggingSteps: 2,
    saveSteps: 3,
    saveTotalLimit: 1,
    evalData: [join(assets, 'demo-eval.jsonl')],
    gradientCheckpointing: true,
    data: [{ path: join(assets, 'demo.jsonl'), format: 'messages' }],
  })
  expect(events[0]).not.toHaveProperty('notes')
  const whole = join(place, 'whole')
  await tinyRun({ outputDir: whole })
  const adapters = [run, whole].map((folder) => readFile(join(folder, 'adapter_model.safetensors')))
  const [resumed, expected] = await Promise.all(adapters)
  expect(resumed.equals(expected)).toBe(true)
})

test('extending is said, and is the run from then on', async () => {
  const [start] = await resume({ maxSteps: 9, learningRate: 5e-4, extend: true })
  expect(start).toMatchObject({
    first_step: 3,
    steps: 9,
    notes: ['extended after step 3: max_steps 6 → 9, learning_rate 0.001 → 0.0005; 6 → 9 steps'],
  })
  expect(await failureOf(resume({}))).toContain('max_steps: 6; expected 9')
  const again = await resume({ maxSteps: 9, learningRate: 5e-4 })
  expect(again[0]).toMatchObject({ first_step: 9 })
})

describe('a folder that holds something', () => {
  const options = { seed: 5 }

  test('of another run is refused, and nothing in it is touched', async () => {
    const before = await readdir(run, { recursive: true })
    expect(await failureOf(tinyRun({ ...options, outputDir: run }))).toMatch(
      /another run of 20.*checkpoint-2.*; expected a new or empty folder\. Choose another output_dir, go on with that run/,
    )
    expect(await readdir(run, { recursive: true })).toEqual(before)
  })

  test('of another run is replaced where that is asked for, and other files stay', async () => {
    await writeFile(join(run, 'notes.txt'), 'mine')
    await tinyRun({ ...options, outputDir: run, overwrite: true, stopAfter: 1 })
    expect((await readdir(run)).filter((name) => /-\d/.test(name))).toEqual(['checkpoint-1'])
    expect(await readFile(join(run, 'notes.txt'), 'utf8')).toBe('mine')
    expect(JSON.parse(await readFile(join(run, 'run.json'), 'utf8'))).toMatchObject({
      result: { step: 1, interrupted: true },
    })
  })

  test('of another run stays whole when the new one cannot begin', async () => {
    await failureOf(tinyRun({ outputDir: run, overwrite: true, data: ['not-there.jsonl'] }))
    expect(await readdir(run)).toEqual(expect.arrayContaining(['checkpoint-3', 'adapter_model.safetensors']))
  })

  test('of a run that saved nothing is taken', async () => {
    await Promise.all(
      (await readdir(run))
        .filter((name) => name !== 'run.json')
        .map((name) => rm(join(run, name), { recursive: true })),
    )
    expect((await tinyRun({ ...options, outputDir: run })).at(-1)).toMatchObject({ type: 'end', step: 6 })
  })

  test('that no run wrote is taken where nothing of it would be', async () => {
    const folder = join(place, 'notes')
    await mkdir(folder)
    await writeFile(join(folder, 'notes.txt'), 'mine')
    await tinyRun({ ...options, outputDir: folder, maxSteps: 1 })
    expect(await readdir(folder)).toContain('notes.txt')
  })

  test('a model is never replaced', async () => {
    const model = join(place, 'a-model')
    await cp(tiny, model, { recursive: true })
    const attempt = tinyRun({ ...options, outputDir: model, overwrite: true })
    expect(await failureOf(attempt)).toContain(
      'a model that no run of fettle is known to have written (config.json, model.safetensors)',
    )
  })

  test('a run that fails before it begins leaves no folder', async () => {
    const folder = join(place, 'never')
    await failureOf(tinyRun({ outputDir: folder, data: ['not-there.jsonl'] }))
    expect(await readdir(place)).not.toContain('never')
  })
})

describe('nothing is written where something is read', () => {
  test.each([
    ['the model', () => ({ out: tiny, model: tiny, adapter: null }), 'the folder of the base model'],
    [
      'the model by another name',
      () => ({ out: `${tiny}/../tiny-llama/.`, model: tiny, adapter: null }),
      'the folder of the base model',
    ],
    [
      'the adapter',
      () => ({ out: run, model: tiny, adapter: run }),
      'the folder of the adapter that the run starts from',
    ],
    [
      'a checkpoint that is the adapter',
      () => ({ out: run, model: tiny, adapter: join(run, 'checkpoint-2') }),
      'whose checkpoint-2 is the folder of the adapter',
    ],
    [
      'a checkpoint that is the model',
      () => ({ out: run, model: join(run, 'checkpoint-2'), adapter: null }),
      'whose checkpoint-2 is the folder of the base model',
    ],
  ])('%s', (_, given, message) => {
    const { out, model, adapter } = given()
    expect(() => refuseHarm(out, model, { adapter })).toThrow(message)
  })

  test('by a link either', async () => {
    const link = join(place, 'link')
    await symlink(tiny, link)
    expect(() => refuseHarm(link, tiny, { adapter: null })).toThrow('the folder of the base model')
    expect(() => refuseHarm(tiny, link, { adapter: null })).toThrow('the folder of the base model')
  })

  test.each(['runs/first', '..', 'new'])('%s of the model does no harm', (path) => {
    expect(() => refuseHarm(join(tiny, path), tiny, { adapter: null })).not.toThrow()
  })
})

describe('without output_dir', () => {
  test('each run has a folder of its own, and runs/latest points to the newest', async () => {
    const cwd = join(place, 'cwd')
    await mkdir(cwd)
    process.chdir(cwd)
    const [first, second] = [await tinyRun({ stopAfter: 3 }), await tinyRun({ stopAfter: 2 })].map(
      ([start]) => String(Object(start).output_dir),
    )
    expect(first).toMatch(/^runs\/\d{4}-\d\d-\d\d-\d{6}-tiny-llama$/)
    expect(second).not.toBe(first)
    expect(await readlink('runs/latest')).toBe(second.slice('runs/'.length))
    const [start] = await tinyRun({ resumeFromCheckpoint: true, stopAfter: 5 })
    expect(start).toMatchObject({ output_dir: second, first_step: 2 })
    const [other] = await tinyRun({ resumeFromCheckpoint: first })
    expect(other).toMatchObject({ output_dir: first, first_step: 3 })
    expect(await readdir('runs')).toHaveLength(3)
  })

  test('two that begin in the same second have two', async () => {
    process.chdir(run)
    const now = new Date(2026, 0, 2, 3, 4, 5)
    const folders = await Promise.all([1, 2, 3].map(() => makeDefaultFolder('/models/my model.gguf', now)))
    expect(folders.toSorted()).toEqual(['', '-2', '-3'].map((end) => `runs/2026-01-02-030405-my-model${end}`))
  })

  test('there may be nothing to resume', async () => {
    process.chdir(place)
    expect(await failureOf(tinyRun({ resumeFromCheckpoint: true }))).toContain('no checkpoint in runs/latest')
  })
})
