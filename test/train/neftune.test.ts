import { expect, test } from 'vitest'
import { noiseAt } from '../../src/engine/dropout.ts'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { neftuneNoise } from '../../src/train/loop/neftune.ts'
import { fixture, maxDifference } from '../model/golden.ts'

test('noise is uniform in (−1, 1), whatever the seed', () => {
  for (const seed of [0, 1, 123_456_789]) {
    const values = Float64Array.from({ length: 100_000 }, (_, i) => noiseAt(seed, i))
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length
    expect(Math.abs(mean)).toBeLessThan(0.01)
    expect(Math.abs(variance - 1 / 3)).toBeLessThan(0.01)
    expect(Math.max(...values.map(Math.abs))).toBeLessThan(1)
  }
})

test('its width is alpha / √(length · width) of a row as TRL lays it out', () => {
  const batch = { inputIds: new Int32Array(10), documentIds: Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1, 1, 1) }
  const options = { packing: true, packingStrategy: 'bfd', maxLength: 1024, neftuneNoiseAlpha: 5 } as const
  expect(neftuneNoise(batch, 64, options)).toBe(5 / Math.sqrt(10 * 64))
  expect(neftuneNoise(batch, 64, { ...options, packing: false })).toBe(5 / Math.sqrt(6 * 64))
  expect(neftuneNoise(batch, 64, { ...options, packingStrategy: 'wrapped' })).toBe(5 / Math.sqrt(1024 * 64))
  expect(neftuneNoise(batch, 64, { ...options, neftuneNoiseAlpha: undefined })).toBe(0)
})

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)

test.each(engines)(
  '%s: training passes get it, others do not, and a pass can be made again',
  async (engine) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('granite'), { engine, dtype: 'float32' })
    await model.addAdapter({ r: 2 })
    const { flatten, passes, training } = internalsOf(model)
    await training()
    const inputIds = [[5, 9, 3, 7, 30, 2, 8]]
    const batch = flatten({ inputIds, labels: inputIds })
    const weights = new Float64Array(batch.learnedTokens)
    const plain = await passes.logProbs(batch)
    const noisy = (pass: number, noise: number) =>
      passes.train(batch, weights, { dropout: { seed: 7, pass }, noise })
    expect(maxDifference(await noisy(1, 0), plain)).toBe(0)
    const first = await noisy(1, 0.05)
    expect(maxDifference(first, plain)).toBeGreaterThan(1e-4)
    expect(maxDifference(await noisy(2, 0.05), first)).toBeGreaterThan(1e-4)
    expect(await noisy(1, 0.05)).toEqual(first)
    expect(await passes.logProbs(batch)).toEqual(plain)
  },
)
