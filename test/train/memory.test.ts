import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { findPassSize } from '../../src/train/memory/found-pass-size.ts'
import { machineMemory, type MachineMemory } from '../../src/train/memory/machine-memory.ts'
import { passSize } from '../../src/train/memory/pass-size.ts'
import { readTrainOptions, flagLayer, readRunOptions } from '../../src/train/options/index.ts'
import type { TrainEvent } from '../../src/train/index.ts'
import { failureOf, tinyRun } from './runs/tiny-run.ts'

const gib = 2 ** 30

/** The memory of the runs below; undefined: this machine's. */
let there: MachineMemory | undefined
vi.mock('../../src/train/memory/machine-memory.ts', async (original) => {
  const real = await original<typeof import('../../src/train/memory/machine-memory.ts')>()
  return {
    machineMemory: (...system: Parameters<typeof real.machineMemory>) =>
      there ?? real.machineMemory(...system),
  }
})

describe('the memory that there is', () => {
  const status = 'VmSize:\t 4194304 kB\nRssAnon:\t 1048576 kB\n'
  const meminfo = 'MemTotal:  33554432 kB\nMemAvailable:  16777216 kB\n'
  const base = { '/proc/self/status': status, '/proc/meminfo': meminfo }
  const v2 = '/sys/fs/cgroup'
  const v1 = '/sys/fs/cgroup/memory'
  it.each<[string, Record<string, string>, number, MachineMemory['boundBy']]>([
    ['what is free, and what the process has', {}, 17, 'machine'],
    [
      'a container, where files in memory count as free',
      {
        '/proc/self/cgroup': '0::/\n',
        [`${v2}/memory.max`]: `${4 * gib}\n`,
        [`${v2}/memory.current`]: `${3 * gib}\n`,
        [`${v2}/memory.stat`]: `anon 1\ninactive_file ${gib}\nactive_file ${gib / 2}\n`,
      },
      1 + 2.5,
      'container',
    ],
    [
      'the smallest of the groups that it is in',
      {
        '/proc/self/cgroup': '0::/pod/app\n',
        [`${v2}/pod/memory.max`]: `${3 * gib}\n`,
        [`${v2}/pod/memory.current`]: `${gib}\n`,
        [`${v2}/pod/app/memory.max`]: 'max\n',
        [`${v2}/pod/app/memory.current`]: `${gib}\n`,
      },
      3,
      'container',
    ],
    [
      'a container of version 1',
      {
        '/proc/self/cgroup': '4:memory:/docker/abc\n3:cpuset:/\n0::/\n',
        [`${v1}/memory.limit_in_bytes`]: `${2 * gib}\n`,
        [`${v1}/memory.usage_in_bytes`]: `${gib}\n`,
        [`${v1}/memory.stat`]: `total_inactive_file ${gib / 2}\n`,
      },
      2.5,
      'container',
    ],
    [
      'no limit, which is the largest number',
      {
        '/proc/self/cgroup': '4:memory:/\n',
        [`${v1}/memory.limit_in_bytes`]: '9223372036854771712\n',
        [`${v1}/memory.usage_in_bytes`]: `${gib}\n`,
      },
      17,
      'machine',
    ],
    [
      'a limit of the address space',
      { '/proc/self/limits': `Limit\nMax address space         ${6 * gib}      unlimited   bytes\n` },
      3,
      'address space',
    ],
  ])('is %s', (_, files, expected, boundBy) => {
    const all: Record<string, string> = { ...base, ...files }
    expect(machineMemory((path) => all[path])).toEqual({ bytes: expected * gib, ownBytes: gib, boundBy })
  })

  it.each<[NodeJS.Platform, number, number]>([
    // Windows counts its file cache as free: a quarter is a quarter.
    ['win32', 4, 4],
    // macOS calls next to nothing free.
    ['darwin', 0.1, 8],
    ['darwin', 12, 12],
  ])('on %s, of 16 GiB of which %s are called free, is %s', (platform, free, expected) => {
    const files = { '/proc/self/status': status }
    const { bytes, ownBytes } = machineMemory((path) => files[path as keyof typeof files], {
      platform,
      free: free * gib,
      total: 16 * gib,
    })
    expect(bytes - ownBytes).toBe(expected * gib)
  })

  it('is something on every system', () => {
    expect(machineMemory(() => undefined).bytes).toBeGreaterThan(2 ** 20)
    expect(machineMemory().bytes).toBeGreaterThan(2 ** 20)
  })
})

describe('passes that fit the memory', () => {
  const run = { weights: 0.25 * gib, trained: 0.1 * gib, perToken: 2 ** 20 }
  it('are those of other runs where there is enough', () => {
    expect(findPassSize(run, false, 16 * gib)).toMatchObject({ ...passSize(2 ** 20, false), fits: true })
    expect(findPassSize(run, true, 16 * gib)).toMatchObject({ ...passSize(2 ** 20, true), fits: true })
  })
  it.each([
    [1.6, 608],
    [1.2, 320],
    [0.9, 96],
    [0.8, 64],
  ])('fall with it: %s GiB', (memory, perPass) => {
    const found = findPassSize(run, false, memory * gib)
    expect(found.perPass).toBe(perPass)
    expect(found.activationBytes).toBe(perPass * run.perToken)
    expect(found.fits).toBe(memory > 0.85)
    expect(found.neededBytes <= 0.9 * memory * gib).toBe(found.fits)
  })
  it('never grow beyond what the memory has room for', () => {
    for (let memory = 1; memory < 8; memory += 0.07)
      for (const perToken of [2 ** 12, 2 ** 18, 2 ** 20, 2 ** 22]) {
        const found = findPassSize({ ...run, perToken }, false, memory * gib)
        expect(found.perPass).toBeLessThanOrEqual(passSize(perToken, false).perPass)
        if (found.fits) expect(found.neededBytes).toBeLessThanOrEqual(0.9 * memory * gib)
      }
  })
})

describe('the option', () => {
  const data = ['not read']
  it.each([
    ['auto', {}, [4, 1, true]],
    ['auto', { gradientAccumulationSteps: 8 }, [32, 1, true]],
    [16, { gradientAccumulationSteps: 2, autoFindBatchSize: true }, [16, 2, true]],
    [16, {}, [16, 1, false]],
  ] as const)('%s with %j keeps the rows of a step', (perDeviceTrainBatchSize, others, expected) => {
    const read = readTrainOptions({ data, perDeviceTrainBatchSize, ...others })
    const { perDeviceTrainBatchSize: rows, gradientAccumulationSteps, autoFindBatchSize } = read
    expect([rows, gradientAccumulationSteps, autoFindBatchSize]).toEqual(expected)
  })
  it.each([
    ['auto', 4],
    ['7', 7],
  ])('is a flag: %s', (perDeviceTrainBatchSize, expected) => {
    const layer = flagLayer({ model: 'm', data: ['d'], perDeviceTrainBatchSize })
    expect(readRunOptions([layer]).perDeviceTrainBatchSize).toBe(expected)
  })
  it.each(['many', '0', '2.5', ''])('is refused: %s', async (perDeviceTrainBatchSize) => {
    const layer = flagLayer({ model: 'm', data: ['d'], perDeviceTrainBatchSize })
    expect(await failureOf(Promise.resolve().then(() => readRunOptions([layer])))).toMatch(
      /--per-device-train-batch-size: .*expected (a number|a whole number or auto)/,
    )
  })
})

describe('a run', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fettle-memory-'))
  })
  afterEach(async () => {
    there = undefined
    await rm(folder, { recursive: true, force: true })
  })
  const scarce: MachineMemory = { bytes: 0.3 * gib, ownBytes: 0.25 * gib, boundBy: 'container' }
  const batchOf = (events: readonly TrainEvent[]) => events.find((event) => event.type === 'start')?.batch
  const losses = (events: readonly TrainEvent[]) =>
    events.flatMap((event) => (event.type === 'step' ? [event.loss] : []))
  const adapter = (name: string) => readFile(join(folder, name, 'adapter_model.safetensors'))
  const auto = { perDeviceTrainBatchSize: 'auto', maxSteps: 3, lora: { r: 2 } } as const

  test.each([true, false])(
    'learns the same from the same rows in smaller passes, packing %s',
    async (packing) => {
      const rows = { ...auto, packing, report: false, samplePrompts: 0 }
      const fixed = await tinyRun({ ...rows, perDeviceTrainBatchSize: 4, outputDir: join(folder, 'fixed') })
      const whole = await tinyRun({ ...rows, outputDir: join(folder, 'whole') })
      there = scarce
      const small = await tinyRun({ ...rows, outputDir: join(folder, 'small') })
      expect(batchOf(fixed)).toBeUndefined()
      expect(batchOf(whole)).toMatchObject({ rows_per_step: 4, tokens_per_pass: 1024, resumed: false })
      expect(batchOf(small)).toMatchObject({ rows_per_step: 4, tokens_per_pass: 64, bound_by: 'container' })
      const note = small.find((event) => event.type === 'start')?.notes?.join()
      expect(note).toMatch(/MiB are needed, and there are 307 \(container\)/)
      expect(losses(whole)).toEqual(losses(fixed))
      for (const [i, loss] of losses(small).entries()) expect(loss).toBeCloseTo(losses(fixed)[i], 4)
    },
  )

  test('keeps its passes where it goes on, whatever there is then', async () => {
    const lora = { r: 2, loraDropout: 0.2 }
    const at = (name: string) => ({
      ...auto,
      lora,
      saveSteps: 2,
      samplePrompts: 0,
      outputDir: join(folder, name),
    })
    there = scarce
    await tinyRun(at('whole'))
    await tinyRun({ ...at('resumed'), stopAfter: 2 })
    there = { bytes: 16 * gib, ownBytes: 0.25 * gib, boundBy: 'machine' }
    const resumed = await tinyRun({ ...at('resumed'), resumeFromCheckpoint: true })
    expect(batchOf(resumed)).toMatchObject({ tokens_per_pass: 64, resumed: true })
    expect((await adapter('resumed')).equals(await adapter('whole'))).toBe(true)
    const otherwise = tinyRun({ ...at('resumed'), perDeviceTrainBatchSize: 4, resumeFromCheckpoint: true })
    expect(await failureOf(otherwise)).toMatch(/auto_find_batch_size: false; expected true/)
  })
})
