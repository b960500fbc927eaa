import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { byteCount } from '../../../src/byte-count.ts'
import { readSafetensorsHeader } from '../../../src/formats/index.ts'
import type { TrainSftInput } from '../../../src/train/index.ts'
import { latestFolder, makeDefaultFolder, pointLatest } from '../../../src/train/runs/default-folder.ts'
import { refuseHarm } from '../../../src/train/runs/output-dir.ts'
import { assets, failureOf, tiny, tinyRun } from './tiny-run.ts'

const room: { bytes: number | undefined } = vi.hoisted(() => ({ bytes: undefined }))
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const statfsSync = (path: string) => ({
    ...fs.statfsSync(path),
    ...(room.bytes !== undefined && { bavail: room.bytes, bsize: 1 }),
  })
  return { ...fs, statfsSync }
})

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
    const [start] = await tinyRun({ resumeFromCheckpoint: 'runs/latest', stopAfter: 4 })
    expect(start).toMatchObject({ output_dir: second, first_step: 2 })
    // Without a link, as where there are none, or where a process was ended while it replaced it.
    await unlink('runs/latest')
    const [again] = await tinyRun({ resumeFromCheckpoint: true, stopAfter: 5 })
    expect(again).toMatchObject({ output_dir: second, first_step: 4 })
    const [other] = await tinyRun({ resumeFromCheckpoint: first })
    expect(other).toMatchObject({ output_dir: first, first_step: 3 })
    expect(await readdir('runs')).toHaveLength(2)
  })

  test('two that begin in the same second have two', async () => {
    process.chdir(run)
    const now = new Date(2026, 0, 2, 3, 4, 5)
    const folders = await Promise.all([1, 2, 3].map(() => makeDefaultFolder('/models/my model.gguf', now)))
    expect(folders.toSorted()).toEqual(['', '-2', '-3'].map((end) => `runs/2026-01-02-030405-my-model${end}`))
  })

  test('there may be nothing to resume', async () => {
    process.chdir(place)
    expect(await failureOf(tinyRun({ resumeFromCheckpoint: true }))).toContain('no run in runs/')
  })
})

describe('the newest run', () => {
  const [old, young] = ['2026-11-30-235959-a', '2026-12-01-000000-a']
  /** A folder with runs that began then, or whose record cannot be read. */
  async function runsOf(runs: Readonly<Record<string, string | undefined>>): Promise<void> {
    const folder = await mkdtemp(join(place, 'runs-of-'))
    const record = JSON.parse(await readFile(join(stopped, 'run.json'), 'utf8')) as { run: object }
    for (const [name, started] of Object.entries(runs)) {
      await mkdir(join(folder, 'runs', name), { recursive: true })
      const text = JSON.stringify({ ...record, run: { ...record.run, started } })
      await writeFile(join(folder, 'runs', name, 'run.json'), started === undefined ? '{' : text)
    }
    process.chdir(folder)
  }
  const morning = '2026-12-01T08:00:00.000Z'
  const noon = '2026-12-01T12:00:00.000Z'

  test.each([
    ['by when they began, whatever the clock of the place said', { [old]: noon, [young]: morning }, old],
    ['also where its record is broken', { [old]: '2026-11-01T00:00:00.000Z', [young]: undefined }, young],
    ['not one that was given a folder', { [old]: morning, first: noon, 'latest.123': noon }, old],
    ['of none', {}, undefined],
  ])('without a link: %s', async (_, runs, newest) => {
    await runsOf(runs)
    expect(await latestFolder()).toBe(newest && `runs/${newest}`)
  })

  test.each([
    ['a name', (target: string) => target],
    [
      'a path in a folder that was copied from elsewhere, as on Windows',
      (target: string) => `/elsewhere/runs/${target}/`,
    ],
  ])('is what the link says: %s', async (_, targetOf) => {
    await runsOf({ [old]: morning, [young]: noon })
    await symlink(targetOf(old), 'runs/latest')
    expect(await latestFolder()).toBe(`runs/${old}`)
  })

  test('is looked for where the link leads to one that is gone', async () => {
    await runsOf({ [old]: morning })
    await symlink(young, 'runs/latest')
    expect(await latestFolder()).toBe(`runs/${old}`)
  })

  /** Windows renames nothing over a folder, and takes a link to one for it. */
  const windowsRename: typeof rename = async (from, to) => {
    if (await readlink(to).catch(() => undefined)) throw Object.assign(new Error('EPERM'), { code: 'EPERM' })
    await rename(from, to)
  }
  const refused: typeof rename = () => Promise.reject(Object.assign(new Error('EXDEV'), { code: 'EXDEV' }))

  test.each([
    ['Windows', 'win32', windowsRename],
    ['Linux', 'linux', rename],
  ] as const)('gets the link on %s, from the second run on, too', async (_, platform, renameOnce) => {
    await runsOf({ [old]: morning, [young]: noon })
    for (const name of [old, young]) {
      expect(await pointLatest(`runs/${name}`, platform, renameOnce)).toEqual([])
      expect(await readlink('runs/latest')).toBe(name)
    }
    expect((await readdir('runs')).toSorted()).toEqual([old, young, 'latest'])
  })

  test('is found where the link cannot be made, which leads to no older one', async () => {
    await runsOf({ [old]: morning, [young]: noon })
    await pointLatest(`runs/${old}`)
    expect(await pointLatest(`runs/${young}`, 'linux', refused)).toEqual([])
    expect((await readdir('runs')).toSorted()).toEqual([old, young])
    expect(await latestFolder()).toBe(`runs/${young}`)
  })

  test('is told where something else has the name of the link', async () => {
    await runsOf({ [old]: morning, [young]: noon, latest: morning })
    expect(await pointLatest(`runs/${young}`)).toEqual([
      'runs/latest does not lead to this run: what has that name cannot be replaced',
    ])
    expect(await latestFolder()).toBe(`runs/${young}`)
    expect((await readdir('runs')).toSorted()).toEqual([old, young, 'latest'])
  })
})

test.each([
  ['/models/a:b?', '-a-b-'],
  [`/models/${'x'.repeat(59)}..y`, `-${'x'.repeat(59)}`],
  ['C...', '-C'],
])('the folder of a run of %s has a name for every system', async (model, end) => {
  process.chdir(await mkdtemp(join(place, 'named-')))
  expect(await makeDefaultFolder(model, new Date(2026, 0, 2, 3, 4, 5))).toBe(`runs/2026-01-02-030405${end}`)
})

describe('a disk without room for a checkpoint', () => {
  /** Bytes that the disk is said to have left. */
  const withRoom = async (bytes: number, body: () => Promise<void>): Promise<void> => {
    room.bytes = bytes
    await body().finally(() => (room.bytes = undefined))
  }
  /** The tensors' bytes in a checkpoint of such a run. */
  let least = 0
  beforeAll(async () => {
    for (const file of ['optimizer.safetensors', 'adapter_model.safetensors']) {
      const { tensors } = await readSafetensorsHeader(join(stopped, 'checkpoint-3', file))
      for (const { byteLength } of tensors.values()) least += byteLength
    }
  })

  test('is found before the first step, and nothing is left', async () => {
    const folder = join(place, 'full')
    await withRoom(least - 1, async () => {
      expect(await failureOf(tinyRun({ outputDir: folder }))).toContain(
        `${folder}: a disk that holds no checkpoint: ${byteCount(least)} free; expected room for ${byteCount(least)}`,
      )
    })
    expect(await readdir(place)).not.toContain('full')
  })

  test('and one that has it is taken', async () => {
    await withRoom(least, async () => {
      const [start] = await tinyRun({ outputDir: join(place, 'nearly-full'), stopAfter: 1 })
      expect(start).toMatchObject({ type: 'start' })
    })
  })

  test('of a run that is replaced, its files count as room', async () => {
    await withRoom(0, async () => {
      const [start] = await tinyRun({ outputDir: run, overwrite: true, stopAfter: 1, seed: 9 })
      expect(start).toMatchObject({ first_step: 0 })
    })
  })
})
