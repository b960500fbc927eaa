import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { combineAdapters, type CombineOptions } from '../../src/peft/index.ts'
import { fixture, maxDifference, readTensors } from '../model/golden.ts'

const recorded = (...path: string[]) =>
  join(import.meta.dirname, '..', 'fixtures', 'peft', 'combined', ...path)
const all = ['one', 'other', 'larger'].map((name) => recorded(name))
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-combined-'))

/** See record_combined.py. */
const cases: [string, number, CombineOptions][] = [
  ['linear', 2, { combinationType: 'linear', weights: [0.7, -0.4] }],
  ['cat', 3, { combinationType: 'cat', weights: [0.5, 1, -0.3] }],
  ['svd', 3, { weights: [0.5, 1, -0.3] }],
  ['svd_2', 2, { weights: [0.7, 0.4], svdRank: 2 }],
]

test.each(cases)('%s: the adapter computes as that of PEFT', async (name, count, options) => {
  const golden = await readTensors(recorded('golden.safetensors'))
  const output = temporary()
  await combineAdapters(all.slice(0, count), output, options)
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), {
    engine: 'reference',
    dtype: 'float32',
  })
  await model.loadAdapter(output)
  const { logits } = await model.forward({ inputIds: await golden.rows('input_ids') })
  expect(maxDifference(logits.data, await golden.floats(name))).toBeLessThan(1e-4)
})

test.each<[string, number, CombineOptions, string]>([
  ['other ranks', 3, { combinationType: 'linear', weights: [1, 1, 1] }, 'ranks 3, 3, 5 with linear'],
  ['too few weights', 2, { weights: [1] }, 'combineAdapters: weights: [1]; expected a number for each of 2'],
  ['no rank', 2, { weights: [1, 1], svdRank: 0 }, 'combineAdapters: svdRank: 0; expected a whole number'],
])('%s is an error', async (_, count, options, message) => {
  await expect(combineAdapters(all.slice(0, count), temporary(), options)).rejects.toThrow(message)
})

test('what is more than plain LoRA is refused', async () => {
  const dora = join(recorded(), '..', 'dora-bias')
  await expect(combineAdapters([dora], temporary(), { weights: [1] })).rejects.toThrow(
    'more than LoRA on linear layers',
  )
})
