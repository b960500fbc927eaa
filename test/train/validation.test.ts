import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findValidation } from '../../src/data/index.ts'
import { prepareEvaluation } from '../../src/train/preparation/prepare-evaluation.ts'
import { FettleError } from '../../src/error.ts'
import type { PreparedSources } from '../../src/train/preparation/prepare-set.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-validation-'))
for (const set of ['with', 'without', 'also']) {
  mkdirSync(join(folder, set))
  writeFileSync(join(folder, set, 'train.jsonl'), '{"text": "a"}\n')
  if (set !== 'without') writeFileSync(join(folder, set, 'dev.jsonl'), '{"text": "b"}\n')
}
const path = (set: string) => join(folder, set)

test('a validation split beside the data is found, where the run does not read it', async () => {
  const found = await findValidation([
    { path: `${path('with')}:train[:1]`, columns: { text: 'text' }, weight: 2 },
    { path: path('without') },
    { path: join(path('with'), 'train.jsonl') },
    { path: path('also'), split: 'train+validation' },
    { rows: [] },
  ])
  expect(found).toEqual([{ path: path('with'), columns: { text: 'text' }, split: 'validation[:128]' }])
  const both = await findValidation([{ path: [path('with'), path('also')] }])
  expect(both.map((source) => 'split' in source && source.split)).toEqual([
    'validation[:64]',
    'validation[:64]',
  ])
})

test('evaluation is said, can be left out, and does not end a run that did not ask for it', async () => {
  const prepared = {} as PreparedSources
  const prepare = () => Promise.resolve(prepared)
  const data = [{ path: path('with') }]
  const found = await prepareEvaluation({ data }, prepare)
  expect(found.made).toBe(prepared)
  expect(found.notes).toEqual([
    `eval_data: ${path('with')}:validation[:128], found beside the training data; eval_data: null leaves it out`,
  ])
  expect(await prepareEvaluation({ data, evalData: null }, prepare)).toEqual({ notes: [] })
  expect(await prepareEvaluation({ data, valSize: 0.5 }, prepare)).toEqual({ notes: [] })
  const refuse = () => Promise.reject(new FettleError({ place: 'dev.jsonl:1', found: 'no answer' }))
  const broken = await prepareEvaluation({ data }, refuse)
  expect(broken.notes).toEqual([
    `${path('with')}:validation[:128] is not evaluated on: dev.jsonl:1: no answer`,
  ])
  await expect(prepareEvaluation({ data, evalData: data }, refuse)).rejects.toThrow('no answer')
})
