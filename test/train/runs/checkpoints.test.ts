import { cp, mkdtemp, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRandom } from '../../../src/random.ts'
import { checkCheckpoint, keepNewest, sweep } from '../../../src/train/runs/checkpoint.ts'
import { writeHashes } from '../../../src/train/runs/file-hashes.ts'
import { failureOf, tinyRun } from './tiny-run.ts'

let place = ''
/** A run of six steps that was stopped after five: checkpoints 2, 4 and 5. */
let stopped = ''
let whole: Buffer
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'fettle-checkpoints-'))
  await tinyRun({ outputDir: join(place, 'whole') })
  whole = await readFile(join(place, 'whole', 'adapter_model.safetensors'))
  stopped = join(place, 'stopped')
  await tinyRun({ outputDir: stopped, stopAfter: 5 })
})
afterAll(() => rm(place, { recursive: true }))

let run = ''
beforeEach(async () => {
  run = join(place, 'run')
  await cp(stopped, run, { recursive: true })
})
afterEach(() => rm(run, { recursive: true, force: true }))

const names = async () => (await readdir(run)).filter((name) => /-\d+/.test(name)).toSorted()
const isWhole = async () => (await readFile(join(run, 'adapter_model.safetensors'))).equals(whole)

describe('resuming takes the newest whole checkpoint', () => {
  test('which is the newest one', async () => {
    const [start] = await tinyRun({ outputDir: run, resumeFromCheckpoint: true })
    expect(start).toMatchObject({ first_step: 5 })
    expect(start).not.toHaveProperty('notes')
    expect(await isWhole()).toBe(true)
    expect(await names()).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-5', 'checkpoint-6'])
  })

  const damages: [string, (path: string) => Promise<void>, string][] = [
    ['a missing file', (path) => rm(join(path, 'optimizer.safetensors')), 'optimizer.safetensors: nothing'],
    [
      'an empty folder',
      (path) => rm(path, { recursive: true }).then(() => mkdir(path).then(() => {})),
      'trainer_state.json: ENOENT',
    ],
    ['no hashes', (path) => rm(join(path, 'SHA256SUMS')), 'SHA256SUMS: nothing'],
    [
      'half a file',
      async (path) => {
        const file = join(path, 'adapter_model.safetensors')
        await writeFile(file, (await readFile(file)).subarray(0, 1000))
      },
      'adapter_model.safetensors: other bytes than those that were written',
    ],
    [
      'a state of another step',
      async (path) => {
        await cp(join(run, 'checkpoint-2', 'trainer_state.json'), join(path, 'trainer_state.json'))
        await writeHashes(path)
      },
      'trainer_state.json: step 2; expected step 5, as the folder is called',
    ],
  ]
  test.each(damages)('and not one with %s', async (_, damage, why) => {
    await damage(join(run, 'checkpoint-5'))
    const [start] = await tinyRun({ outputDir: run, resumeFromCheckpoint: true })
    expect(start).toMatchObject({ first_step: 4 })
    expect(String(Object(start).notes)).toContain(`${join(run, 'checkpoint-5')} is set aside as damaged-5: `)
    expect(String(Object(start).notes)).toContain(why)
    expect(await isWhole()).toBe(true)
    expect(await names()).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-6', 'damaged-5'])
  })

  test('and none that is named and damaged', async () => {
    await rm(join(run, 'checkpoint-5', 'tokenizer.json'))
    const attempt = tinyRun({ outputDir: run, resumeFromCheckpoint: join(run, 'checkpoint-5') })
    expect(await failureOf(attempt)).toContain(
      'tokenizer.json: nothing; expected the file whose hash is in SHA256SUMS',
    )
    expect(await names()).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-5'])
  })

  test('where all are damaged it says so of each', async () => {
    for (const step of [2, 4, 5]) await rm(join(run, `checkpoint-${step}`, 'SHA256SUMS'))
    const message = await failureOf(tinyRun({ outputDir: run, resumeFromCheckpoint: true }))
    expect(message.match(/checkpoint-\d: .*expected a whole checkpoint of the run/g)).toHaveLength(3)
  })

  test('of this run: one of another is passed over', async () => {
    const other = join(place, 'other')
    await tinyRun({ outputDir: other, seed: 2, maxSteps: 6 })
    await cp(join(other, 'checkpoint-6'), join(run, 'checkpoint-6'), { recursive: true })
    const [start] = await tinyRun({ outputDir: run, resumeFromCheckpoint: true })
    expect(start).toMatchObject({ first_step: 5 })
    expect(String(Object(start).notes)).toMatch(
      /checkpoint-6 is set aside as foreign-6: it is of another run, of 20/,
    )
    expect(await isWhole()).toBe(true)
  })

  test('one that is named may be an older one: those after it are set aside', async () => {
    const [start] = await tinyRun({
      outputDir: run,
      resumeFromCheckpoint: join(run, 'checkpoint-2'),
      saveTotalLimit: 1,
    })
    expect(start).toMatchObject({ first_step: 2 })
    expect(await isWhole()).toBe(true)
    expect(await names()).toEqual(['checkpoint-6', 'superseded-4', 'superseded-5'])
  })

  test('in another folder it is a run of its own', async () => {
    const branch = join(place, 'branch')
    const [start] = await tinyRun({ outputDir: branch, resumeFromCheckpoint: run })
    expect(start).toMatchObject({ first_step: 5, output_dir: branch })
    expect((await readFile(join(branch, 'adapter_model.safetensors'))).equals(whole)).toBe(true)
    const [record, parent] = await Promise.all(
      [branch, run].map(
        async (folder) => JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as { run: object },
      ),
    )
    expect(record.run).toMatchObject({ parent: { id: Object(parent.run).id, step: 5 } })
  })
})

test('one bit that is flipped anywhere is found', async () => {
  const path = join(run, 'checkpoint-5')
  const random = createRandom(7)
  for (const name of await readdir(path)) {
    const file = join(path, name)
    const bytes = await readFile(file)
    for (let i = 0; i < (name === 'SHA256SUMS' ? 200 : 12); i++) {
      const bit = Math.floor(random() * 8 * bytes.length)
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] ^= 1 << (bit & 7)
      await writeFile(file, flipped)
      expect(await failureOf(checkCheckpoint(path)), `${name}, bit ${bit}`).toContain('FettleError')
    }
    await writeFile(file, bytes)
  }
  await checkCheckpoint(path)
})

describe('a state with hashes that fit is checked as well', () => {
  const changes: [string, unknown, string][] = [
    ['a negative step', { step: -5 }, 'step is -5; expected a number from 0'],
    ['a step beyond the last', { step: 500 }, 'step is 500; expected at most steps'],
    ['fewer passes than steps', { passes: 1 }, 'passes is 1; expected a pass or more for each step'],
    ['no identity', { identity: undefined }, 'identity is nothing; expected a block of options'],
    ['a later format', { format_version: 3 }, 'format_version is 3; expected 2'],
    ['a key that nobody wrote', { more: 1 }, 'Unrecognized key'],
  ]
  test.each(changes)('%s', async (_, change, message) => {
    const path = join(run, 'checkpoint-5')
    const file = join(path, 'trainer_state.json')
    const state = JSON.parse(await readFile(file, 'utf8')) as object
    await writeFile(file, JSON.stringify({ ...state, ...Object(change) }))
    await writeHashes(path)
    expect(await failureOf(checkCheckpoint(path))).toContain(message)
  })

  test.each([
    ['null', 'the file is null'],
    ['{}', 'format_version is nothing'],
    ['[]', 'the file is []'],
    ['{', 'trainer_state.json: '],
    ['{"step": 3, "fingerprint": {}}', 'a checkpoint of fettle 0.1'],
  ])('%s', async (text, message) => {
    const path = join(run, 'checkpoint-5')
    await writeFile(join(path, 'trainer_state.json'), text)
    await writeHashes(path)
    expect(await failureOf(checkCheckpoint(path))).toContain(message)
  })
})

test('what a process left behind is swept, and what it replaced comes back', async () => {
  await mkdir(join(run, 'checkpoint-6.unfinished'))
  await rename(join(run, 'checkpoint-2'), join(run, 'checkpoint-2.removed'))
  await rename(join(run, 'checkpoint-4'), join(run, 'checkpoint-4.replaced'))
  await cp(join(run, 'checkpoint-5'), join(run, 'checkpoint-5.replaced'), { recursive: true })
  await writeFile(join(run, '.adapter_model.safetensors.12.0a1b2c3d.tmp'), '')
  await writeFile(join(run, 'notes.tmp'), 'mine')
  await sweep(run)
  expect(await names()).toEqual(['checkpoint-4', 'checkpoint-5'])
  expect((await readdir(run)).filter((name) => name.endsWith('tmp'))).toEqual(['notes.tmp'])
})

test('the oldest go where a limit is set, and nothing else', async () => {
  await mkdir(join(run, 'checkpoint-best'))
  await keepNewest(run, 2)
  expect(await readdir(run)).toEqual(
    expect.arrayContaining(['checkpoint-4', 'checkpoint-5', 'checkpoint-best']),
  )
  expect(await names()).toEqual(['checkpoint-4', 'checkpoint-5'])
})
