import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TrainEvent } from '../../src/train/index.ts'
import { failureOf, tinyRun } from './runs/tiny-run.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-evaluated-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const held = {
  rows: [0, 1, 2, 3].map((i) => ({ prompt: `Name ${i}?`, completion: 'A short answer.' })),
  name: 'held',
}
const other = { rows: [{ prompt: 'What is it?', completion: 'Another thing.' }], name: 'other' }
const ofType = <T extends TrainEvent['type']>(events: readonly TrainEvent[], type: T) =>
  events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type)
const adapter = (name: string) => readFile(join(folder, name, 'adapter_model.safetensors'))
const sameAdapter = async (a: string, b: string) => (await adapter(a)).equals(await adapter(b))

/** It learns for a while, then a large learning rate undoes it. */
const overshooting = {
  evalData: [held],
  evalSteps: 1,
  saveSteps: 0,
  maxSteps: 8,
  learningRate: 0.3,
  lrSchedulerType: 'constant' as const,
  warmupSteps: 0,
  samplePrompts: 0,
}

describe('evaluations', () => {
  test('tell perplexity, accuracy and each source', async () => {
    const events = await tinyRun({ outputDir: join(folder, 'run'), evalData: [held, other], maxSteps: 1 })
    const [first] = ofType(events, 'eval')
    expect(first.perplexity).toBeCloseTo(Math.exp(first.loss), 6)
    expect(first.mean_token_accuracy).toBeGreaterThanOrEqual(0)
    const sources = Object.values(first.sources ?? {})
    expect(Object.keys(first.sources ?? {})).toEqual(['held', 'other'])
    const sum = sources.reduce((total, { loss, learned_tokens }) => total + loss * learned_tokens, 0)
    expect(sum / first.learned_tokens).toBeCloseTo(first.loss, 5)
  })

  test.each([
    ['every epoch', { evalStrategy: 'epoch', numTrainEpochs: 2, maxSteps: undefined }, [0, 2, 4]],
    ['a part of the run', { evalSteps: 0.4 }, [0, 3, 6]],
    ['never', { evalStrategy: 'no' }, []],
  ] as const)('come %s', async (_, options, expected) => {
    const data = [{ rows: held.rows, name: 'train' }]
    const events = await tinyRun({
      outputDir: join(folder, 'run'),
      data,
      packing: false,
      perDeviceTrainBatchSize: 2,
      evalData: [held],
      ...options,
    })
    expect(ofType(events, 'eval').map(({ step }) => step)).toEqual(expected)
  })

  test('answers are given before and after, and at each where they are asked for', async () => {
    const run = (samplePrompts?: string[]) =>
      tinyRun({
        outputDir: join(folder, samplePrompts ? 'asked' : 'usual'),
        evalData: [held],
        evalSteps: 2,
        maxSteps: 4,
        sampleMaxNewTokens: 4,
        ...(samplePrompts && { samplePrompts }),
      })
    const asked = ofType(await run(['Who are you?']), 'sample')
    expect(asked.map(({ step, samples }) => [step, samples.length])).toEqual([
      [0, 1],
      [2, 1],
      [4, 1],
    ])
    expect(asked[0].samples[0].prompt).toContain('Who are you?')
    const usual = ofType(await run(), 'sample')
    if (usual.length > 0) expect(usual.map(({ samples }) => samples.length)).toEqual([2, 2])
  })
})

describe('the best evaluation', () => {
  test('ends a run early, is kept and is what the run ends with', async () => {
    const events = await tinyRun({
      ...overshooting,
      outputDir: join(folder, 'run'),
      saveTotalLimit: 1,
      earlyStoppingPatience: 2,
      loadBestModelAtEnd: true,
    })
    const [end] = ofType(events, 'end')
    const evaluations = ofType(events, 'eval').filter(({ step }) => step > 0)
    const lowest = evaluations.toSorted((a, b) => a.loss - b.loss)[0]
    expect(end).toMatchObject({ interrupted: false, step: lowest.step + 2 })
    expect(end.stopped_early).toMatch(/^loss was no better for 2 evaluations/)
    expect(end.best).toMatchObject({ step: lowest.step, value: lowest.loss, metric: 'loss', loaded: true })
    expect(await sameAdapter('run', `run/checkpoint-${lowest.step}`)).toBe(true)
    expect(existsSync(join(folder, 'run', `checkpoint-${lowest.step - 1}`))).toBe(false)
  })

  test('of a run that is interrupted and goes on is the same one', async () => {
    const options = { ...overshooting, earlyStoppingPatience: 2, loadBestModelAtEnd: true }
    const whole = await tinyRun({ ...options, outputDir: join(folder, 'whole') })
    const [{ step }] = ofType(whole, 'end')
    await tinyRun({ ...options, outputDir: join(folder, 'parted'), stopAfter: step - 1 })
    const rest = await tinyRun({ ...options, outputDir: join(folder, 'parted'), resumeFromCheckpoint: true })
    const [end] = ofType(rest, 'end')
    expect({ step: end.step, best: end.best?.value }).toEqual({
      step,
      best: ofType(whole, 'end')[0].best?.value,
    })
    expect(await sameAdapter('parted', 'whole')).toBe(true)
  })

  test('needs evaluations', async () => {
    const wrong = tinyRun({
      outputDir: join(folder, 'run'),
      loadBestModelAtEnd: true,
      earlyStoppingPatience: 1,
    })
    expect(await failureOf(wrong)).toMatch(/early_stopping_patience: no held-out data; expected evaluations/)
    expect(existsSync(join(folder, 'run'))).toBe(false)
  })
})

describe('a step that leaps', () => {
  // A learning rate that is too large here: after some twenty steps the gradient leaps.
  const data = [
    {
      rows: Array.from({ length: 30 }, () => ({ prompt: 'Count.', completion: 'one two three four' })),
      name: 'rows',
    },
  ]
  const options = {
    data,
    packing: false,
    maxSteps: 30,
    saveSteps: 10,
    learningRate: 5e-3,
    lrSchedulerType: 'constant' as const,
    lora: { r: 4 },
    samplePrompts: 0,
  }

  test('is left out, also by a run that goes on', async () => {
    const skipping = { ...options, spikeGuard: 'skip' as const, spikeFactor: 4 }
    const whole = await tinyRun({ ...skipping, outputDir: join(folder, 'whole') })
    const skipped = ofType(whole, 'step').filter((event) => event.skipped !== undefined)
    expect(skipped.length).toBeGreaterThan(0)
    expect(skipped.length).toBeLessThan(9)
    const [{ step: stopAfter, skipped: why }] = skipped
    expect(why).toMatch(/^(loss|gradient norm) .*, above .* after a mean of /)
    await tinyRun({ ...skipping, outputDir: join(folder, 'parted'), stopAfter })
    await tinyRun({ ...skipping, outputDir: join(folder, 'parted'), resumeFromCheckpoint: true })
    expect(await sameAdapter('parted', 'whole')).toBe(true)
  })

  test('stops the run, and names rows and checkpoint', async () => {
    const stopping = tinyRun({
      ...options,
      spikeGuard: 'stop',
      spikeFactor: 4,
      outputDir: join(folder, 'run'),
    })
    expect(await failureOf(stopping)).toMatch(
      /step \d+, rows rows#\d+: .*, above .*expected no leap.*checkpoint-\d0/s,
    )
  })
})

test('an optimiser of 8 bits goes on to the same bits', async () => {
  const options = {
    optim: 'paged_adamw_8bit' as const,
    lora: { r: 32, targetModules: ['q_proj', 'up_proj'] },
  }
  const whole = await tinyRun({ ...options, outputDir: join(folder, 'whole') })
  expect(ofType(whole, 'start')[0].notes?.[0]).toMatch(/paged_adamw_8bit is adamw_8bit here/)
  await tinyRun({ ...options, outputDir: join(folder, 'parted'), stopAfter: 3 })
  await tinyRun({
    ...options,
    optim: 'adamw_8bit',
    outputDir: join(folder, 'parted'),
    resumeFromCheckpoint: true,
  })
  expect(await sameAdapter('parted', 'whole')).toBe(true)
})
