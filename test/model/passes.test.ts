import { describe, expect, it } from 'vitest'
import { learnedPlaces } from '../../src/batch/index.ts'
import { engineProblem } from '../../src/engine/index.ts'
import { AutoModelForCausalLM, internalsOf, type Weights } from '../../src/model/index.ts'
import type { LoraConfig } from '../../src/peft/index.ts'
import { fixture, maxDifference, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const inputIds = [
  [5, 9, 3, 7, 3, 8, 30, 11],
  [6, 2, 40, 41, 3, 3, 12, 13],
]
const labels = [
  [-100, 9, 3, -100, 3, 8, 30, 11],
  [-100, -100, 40, 41, 3, -100, -100, 13],
]
const engines =
  (await engineProblem('native')) === undefined
    ? (['reference', 'native'] as const)
    : (['reference'] as const)

describe.each(engines)('%s', (engine) => {
  const load = (name = 'llama') =>
    AutoModelForCausalLM.fromPretrained(fixture(name), { engine, dtype: 'float32' })

  it.each<[string, string, Partial<LoraConfig> | null]>([
    ['a LoRA adapter', 'llama', { r: 4 }],
    ['every weight', 'llama', null],
    ['single rows of a tied embedding', 'llama-tied-rope3', { r: 2, trainableTokenIndices: [3, 40] }],
  ])('weights that follow from the log-probabilities train as known ones do: %s', async (_, name, lora) => {
    const gradient = async (weights: (learned: number) => Weights) => {
      const model = await load(name)
      if (lora) await model.addAdapter({ ...lora, initLoraWeights: false })
      const { training } = await createTrainer(model)
      const { passes, flatten } = internalsOf(model)
      const batch = flatten({ inputIds, labels })
      const logProbs = await passes.train(batch, weights(batch.learnedTokens))
      expect(maxDifference(logProbs, await passes.logProbs(batch))).toBeLessThan(1e-5)
      const { engine: computes, gradients } = training.trainable
      return { logProbs, gradients: (await computes.read(gradients)) as Float32Array }
    }
    const of = (learned: number) => Float64Array.from({ length: learned }, (_, i) => ((i % 4) - 1.5) / 7)
    let seen: Float32Array | undefined
    const later = await gradient((learned) => (logProbs) => {
      seen = logProbs
      return of(learned)
    })
    const known = await gradient(of)
    expect(seen).toEqual(known.logProbs)
    // One more rounding of each row, 2^-24, of which sums that nearly cancel make a little more.
    expect(relativeError(later.gradients, known.gradients)).toBeLessThan(1e-5)
  })

  it('the reference is the model without its adapter', async () => {
    const model = await load()
    const { passes, flatten, withoutAdapter } = internalsOf(model)
    const batch = flatten({ inputIds, labels })
    const before = await passes.logProbs(batch)
    await model.loadAdapter(fixture('llama', 'lora'))
    expect(await passes.logProbs(batch)).not.toEqual(before)
    expect(await withoutAdapter((plain) => plain.logProbs(batch))).toEqual(before)
  })

  it('knows what another token would have had', async () => {
    const { passes, flatten } = internalsOf(await load())
    const { logProbs, alternative } = await passes.alternative(flatten({ inputIds, labels }), 40)
    expect(logProbs).toEqual(await passes.logProbs(flatten({ inputIds, labels })))
    expect(alternative).toEqual(
      await passes.logProbs(
        flatten({ inputIds, labels: labels.map((row) => row.map((id) => (id < 0 ? id : 40))) }),
      ),
    )
  })

  it('knows the likeliest tokens', async () => {
    const { passes, flatten } = internalsOf(await load())
    const batch = flatten({ inputIds, labels })
    const { best } = await passes.alternative(batch, 40)
    const logits = await passes.logits(batch)
    const width = logits.length / batch.inputIds.length
    const expected = learnedPlaces(batch).map((place) => {
      const row = logits.subarray(place * width, (place + 1) * width)
      return row.indexOf(Math.max(...row))
    })
    expect(best).toEqual(expected)
  })

  it('passes nothing where nothing is learned', async () => {
    const model = await load()
    await model.addAdapter({ r: 2 })
    const { passes, flatten } = internalsOf(model)
    const batch = flatten({ inputIds })
    const seen: number[] = []
    expect(await passes.train(batch, (logProbs) => (seen.push(logProbs.length), []))).toHaveLength(0)
    expect(seen).toEqual([0])
    expect(await passes.logProbs(batch)).toHaveLength(0)
  })

  it('takes as many weights as there are learned tokens', async () => {
    const model = await load()
    await model.addAdapter({ r: 2 })
    const { passes, flatten } = internalsOf(model)
    await expect(passes.train(flatten({ inputIds, labels }), [1, 2])).rejects.toThrow(
      '2 weights for 10 learned tokens',
    )
  })
})
