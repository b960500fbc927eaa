import { cp, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { assets, failureOf, tiny, tinyRun } from './tiny-run.ts'

let folder = ''
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'fettle-divergence-')), 'run')
})
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }))

const names = async () => (await readdir(folder)).filter((name) => /-\d|safetensors/.test(name))
/** The first steps are as ever; the warm-up ends in a rate that destroys the weights. */
const late = { learningRate: 1e30, lrSchedulerType: 'warmup_stable_decay', warmupSteps: 0 } as const

test('weights that give no finite loss are named so, also where they were a checkpoint', async () => {
  const message = await failureOf(
    tinyRun({ outputDir: folder, learningRate: 1e30, warmupSteps: 0, saveSteps: 1, maxGradNorm: 0 }),
  )
  expect(message).toMatch(/step 2, rows .*loss NaN; expected a finite number/)
  expect(message).toContain('No checkpoint before it gave a finite loss')
  expect(message).toContain(`These weights are ${join(folder, 'diverged-1')}`)
  expect(await names()).toEqual(['diverged-1'])
})

test('the last state that gave a finite loss is named, and is what a run goes on from', async () => {
  await tinyRun({ outputDir: folder, saveSteps: 1, stopAfter: 2 })
  const destroyed = tinyRun({
    ...late,
    outputDir: folder,
    saveSteps: 1,
    resumeFromCheckpoint: true,
    extend: true,
  })
  const message = await failureOf(destroyed)
  expect(message).toContain(`The last state that gave a finite loss is ${join(folder, 'checkpoint-2')}`)
  expect(await names()).toEqual(expect.arrayContaining(['checkpoint-1', 'checkpoint-2', 'diverged-3']))
  expect(await names()).not.toContain('checkpoint-3')
  const [start] = await tinyRun({ outputDir: folder, resumeFromCheckpoint: true })
  expect(start).toMatchObject({ first_step: 2 })
})

test('the state after the last step is looked at before it is called trained', async () => {
  const attempt = tinyRun({ outputDir: folder, learningRate: 1e30, warmupSteps: 0, maxSteps: 1 })
  expect(await failureOf(attempt)).toMatch(/step 2, rows .*expected a finite number.*diverged-1/)
  expect(await names()).toEqual(['diverged-1'])
})

test('an older checkpoint goes only when the newest one was seen to be good', async () => {
  await tinyRun({ outputDir: folder, saveSteps: 1, saveTotalLimit: 1, stopAfter: 2 })
  const destroyed = { ...late, outputDir: folder, saveSteps: 1, saveTotalLimit: 1 }
  const message = await failureOf(tinyRun({ ...destroyed, resumeFromCheckpoint: true, extend: true }))
  expect(message).toContain(`The last state that gave a finite loss is ${join(folder, 'checkpoint-2')}`)
  expect(await names()).toEqual(expect.arrayContaining(['checkpoint-2', 'diverged-3']))
  await tinyRun({ outputDir: folder, saveSteps: 1, saveTotalLimit: 1, resumeFromCheckpoint: true })
  expect(await names()).toEqual(['adapter_model.safetensors', 'checkpoint-6', 'diverged-3'])
})

test('held-out data that gives no finite loss is named', async () => {
  const model = join(folder, '..', 'model')
  await cp(tiny, model, { recursive: true })
  const weights = join(model, 'model.safetensors')
  const bytes = await readFile(weights)
  // Not a number in the last bfloat16 of the file.
  bytes.writeUInt16LE(0x7fc0, bytes.length - 2)
  await writeFile(weights, bytes)
  const evalData = [join(assets, 'demo-eval.jsonl')]
  const message = await failureOf(tinyRun({ outputDir: folder, modelPath: model, evalData }))
  expect(message).toMatch(
    /evaluation after step 0: loss NaN.*No step was made: the model itself, or these rows, give it/,
  )
})

test('diverged weights are resumed by nobody who does not rename them', async () => {
  await failureOf(tinyRun({ outputDir: folder, learningRate: 1e30, warmupSteps: 0 }))
  const options = { outputDir: folder, learningRate: 1e30, warmupSteps: 0 }
  expect(await failureOf(tinyRun({ ...options, resumeFromCheckpoint: true }))).toContain('no checkpoint in')
  const named = tinyRun({ ...options, resumeFromCheckpoint: join(folder, 'diverged-1') })
  expect(await failureOf(named)).toContain('a state that gives no finite loss')
  await rename(join(folder, 'diverged-1'), join(folder, 'checkpoint-1'))
  expect(await failureOf(tinyRun({ ...options, resumeFromCheckpoint: true }))).toMatch(/step 2, .*diverged-1/)
})
