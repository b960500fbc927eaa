import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AutoTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts'
import { prepareData, readTrainOptions, type TrainOptionsInput } from '../../src/train/index.ts'
import { fixedProblems, type RunIdentity } from '../../src/train/runs/identity.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-prepared-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const model = join(import.meta.dirname, '../fixtures/tokenizers/bytebpe-qwen')
let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await AutoTokenizer.fromPretrained(model)
})
let number = 0

const turn = (role: string, content: string) => ({ role, content })
const textOf = (count: number, word = 'word') =>
  Array.from(
    { length: count },
    (_, i) =>
      `${JSON.stringify({ messages: [turn('user', `${word} ${i}?`), turn('assistant', `It is ${i * i}.`)] })}\n`,
  ).join('')

/** A data file and a cache of their own. */
function place(text = textOf(60)) {
  const path = join(scratch, `${number}.jsonl`)
  writeFileSync(path, text)
  return { path, cacheDir: join(scratch, `cache${number++}`) }
}

async function prepare(
  { path, cacheDir }: ReturnType<typeof place>,
  given: Partial<TrainOptionsInput> = {},
  signal?: AbortSignal,
  as = tokenizer,
) {
  const options = readTrainOptions({ data: [path], cacheDir, maxLength: 64, ...given })
  const data = await prepareData({ options, tokenizer: as, vocabSize: 1000, signal })
  const { prepared, ...summary } = data.summary
  const steps = Array.from({ length: data.steps }, (_, step) =>
    data.stepAt(step).batches.map(({ inputIds, targets }) => [[...inputIds], [...targets]]),
  )
  const evaluation = data.evaluation && [...data.evaluation.batches()].map(({ inputIds }) => [...inputIds])
  return { reused: prepared?.reused, cache: prepared?.cache, steps, evaluation, summary, hash: data.hash }
}

test('what was prepared is found the next time, and is the same', async () => {
  const where = place()
  const first = await prepare(where, { valSize: 0.2, seed: 3 })
  const second = await prepare(where, { valSize: 0.2, seed: 3 })
  expect([first.reused, second.reused]).toEqual([false, true])
  expect(first.evaluation?.length).toBeGreaterThan(0)
  expect(second).toEqual({ ...first, reused: true })
  expect(first.cache).toMatch(new RegExp(`^${where.cacheDir}/prepared/[0-9a-f]{40}$`))
})

test.each<[string, boolean, (where: ReturnType<typeof place>) => Parameters<typeof prepare>]>([
  ['another learning rate', true, (where) => [where, { learningRate: 1, outputDir: 'elsewhere' }]],
  ['another order of shuffling', true, (where) => [where, { shuffle: false }]],
  ['another length', false, (where) => [where, { maxLength: 32 }]],
  ['another policy', false, (where) => [where, { trainOnInput: true }]],
  ['another variable of the template', false, (where) => [where, { chatTemplateKwargs: { a: 1 } }]],
  ['no cache', false, (where) => [where, { cache: false }]],
  [
    'other content of the same length',
    false,
    (where) => (writeFileSync(where.path, textOf(60, 'Word')), [where]),
  ],
])('%s finds it: %s', async (_, finds, change) => {
  const where = place()
  await prepare(where)
  expect((await prepare(...change(where))).reused).toBe(finds)
})

test('another template does not find it', async () => {
  const where = place()
  await prepare(where)
  const other = await AutoTokenizer.fromPretrained(model)
  other.chatTemplate = `${other.chatTemplate} `
  expect((await prepare(where, {}, undefined, other)).reused).toBe(false)
})

test('rows of a program and functions are prepared every time', async () => {
  const where = place()
  const rows = textOf(60)
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line))
  for (const data of [[{ rows }], [{ path: where.path, map: (row: Record<string, unknown>) => row }]])
    for (const _ of [1, 2]) {
      const { reused, cache } = await prepare(where, { data } as Partial<TrainOptionsInput>)
      expect([reused, cache]).toEqual([false, null])
    }
})

test('what is damaged is told and prepared anew', async () => {
  const where = place()
  const { cache, steps } = await prepare(where)
  const file = join(cache ?? '', 'examples')
  const bytes = readFileSync(file)
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(file, bytes)
  const again = await prepare(where)
  expect([again.reused, again.steps]).toEqual([false, steps])
  expect(again.summary.data_notes).toEqual([`${cache} was damaged and is prepared anew`])
  expect((await prepare(where)).reused).toBe(true)
})

test('nothing is left of what was ended or refused', async () => {
  const where = place()
  await expect(prepare(where, {}, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  writeFileSync(where.path, `${textOf(3)}{"messages":7}\n`)
  await expect(prepare(where)).rejects.toThrow(/jsonl:4: /)
  expect(readdirSync(join(where.cacheDir, 'prepared'))).toEqual([])
})

test('where no cache can be, preparing goes on and says so', async () => {
  const where = place()
  const { summary, cache } = await prepare({ ...where, cacheDir: '/proc/none' })
  expect(cache).toBe(null)
  expect(summary.data_notes).toEqual([expect.stringMatching(/^prepared without a cache: \/proc\/none/)])
})

test('a file that changed since the checkpoint is named', () => {
  const identity = (hash: string, files: [string, string][]): RunIdentity => ({
    base: null,
    data: { hash, examples: 2, tokens: 9, files: files.map(([path, content]) => ({ path, hash: content })) },
    fixed: {},
    extendable: {},
    preparation: {},
  })
  const then = identity('a', [['a.jsonl', '1'], ['b.jsonl', '2'], ['c.jsonl', '3']]) // prettier-ignore
  const now = identity('b', [['a.jsonl', '1'], ['b.jsonl', 'x'], ['d.jsonl', '4']]) // prettier-ignore
  const [problem, ...others] = fixedProblems(then, now, 'run/checkpoint-2', false)
  expect(others).toEqual([])
  expect(problem).toMatchObject({
    place: 'run/checkpoint-2: data',
    found:
      'b.jsonl was changed; d.jsonl is new; c.jsonl is missing: other tokens in the 2 examples of 9 tokens',
    cure: expect.stringContaining('accept_changed_data: true'),
  })
  expect(fixedProblems(then, now, 'run/checkpoint-2', true)).toEqual([])
})
