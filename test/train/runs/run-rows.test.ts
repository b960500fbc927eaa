import { mkdtempSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readTrainOptions } from '../../../src/train/options/index.ts'
import { writeRunRecord, type RunRows } from '../../../src/train/runs/records.ts'
import { describeRows, findRunEvaluation } from '../../../src/train/runs/run-rows.ts'

const place = mkdtempSync(join(tmpdir(), 'fettle-run-rows-'))
beforeAll(async () => {
  await mkdir(join(place, 'set'))
  await mkdir(join(place, 'run', 'checkpoint-2'), { recursive: true })
  const row = '{"prompt":"a","completion":"b"}\n'
  for (const name of ['rows.jsonl', 'eval.jsonl', 'set/train.jsonl', 'set/validation.jsonl'])
    await writeFile(join(place, name), row)
})
afterAll(() => rm(place, { recursive: true }))

const identity = {
  base: null,
  data: { hash: null, examples: 1, tokens: 1 },
  fixed: {},
  extendable: {},
  preparation: { chat_template_kwargs: { enable_thinking: false } },
}

async function found(rows: Partial<RunRows> | undefined, folder = 'run') {
  const run = { id: 'b7a1c2d3', started: '2026-11-30T00:00:00.000Z' }
  const told = rows && { folder: place, method: 'sft' as const, data: [{ path: 'rows.jsonl' }], ...rows }
  await writeRunRecord(join(place, 'run'), {
    run,
    model: 'm',
    identity,
    result: null,
    ...(told && { rows: told }),
  })
  return findRunEvaluation(join(place, folder))
}

const at = (name: string) => [join(place, name)]

test.each<[string, Partial<RunRows>, object]>([
  [
    'eval_data',
    { eval_data: [{ path: 'eval.jsonl' }] },
    { role: 'eval_data', sources: [{ path: at('eval.jsonl') }] },
  ],
  [
    'val_size',
    { val_size: 0.1, seed: 3, deduplicate: false },
    {
      role: 'val_size',
      isHeldOut: true,
      mix: { valSize: 0.1, seed: 3 },
      sources: [{ path: at('rows.jsonl') }],
    },
  ],
  [
    'a split beside the data',
    { data: [{ path: 'set' }] },
    { role: 'validation split', sources: [{ split: 'validation[:128]' }] },
  ],
  [
    'no evaluation',
    { data: [{ path: 'set' }], eval_data: null },
    { role: 'training data', sources: [{ path: at('set') }] },
  ],
  ['nothing of the kind', {}, { role: 'training data', isHeldOut: false }],
  ['pairs', { method: 'dpo' }, { preferences: 'pairs', isPrompts: false }],
  ['prompts', { method: 'grpo' }, { preferences: undefined, isPrompts: true }],
])('rows of a run with %s', async (_, rows, expected) => {
  const evaluation = await found(rows)
  expect(evaluation).toMatchObject(expected)
  expect(evaluation).toMatchObject({ variables: { enable_thinking: false } })
})

test('a checkpoint has those of its run', async () => {
  expect(await found({}, join('run', 'checkpoint-2'))).toMatchObject({ role: 'training data' })
})

test('rows that are gone, that a program had, or that no run tells of', async () => {
  expect(await found({ data: [{ path: 'gone.jsonl' }] })).toBe(
    'gone.jsonl, which the run read, is not there any more',
  )
  expect(await found({ data: [] })).toBeUndefined()
  expect(await found(undefined)).toBeUndefined()
  expect(await findRunEvaluation(place)).toBeUndefined()
})

test('what a run says of its rows', () => {
  const options = readTrainOptions({
    data: [
      { path: 'a.jsonl', columns: { input: 'q' }, messageKeys: { role: 'who' }, weight: 2 },
      { rows: [{ text: 'a' }], weight: 1 },
      { path: 'b.jsonl', map: (row) => row, weight: 1 },
    ],
    evalData: ['hf://owner/name:test'],
  })
  expect(describeRows(options)).toEqual({
    folder: process.cwd(),
    method: 'sft',
    data: [{ path: 'a.jsonl', format: 'auto', columns: { input: 'q' }, message_keys: { role: 'who' } }],
    eval_data: [{ path: 'hf://owner/name:test' }],
  })
})
