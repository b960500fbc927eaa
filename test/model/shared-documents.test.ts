import { describe, expect, it } from 'vitest'
import { collate } from '../../src/batch/index.ts'
import { engineProblem } from '../../src/engine/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { fixture, maxDifference, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const prompts = [
  [5, 9, 3, 7, 3, 8, 30, 11, 12, 13],
  [5, 9, 3, 7, 3, 41, 6, 2, 9],
]
const answers = [
  [
    [40, 41, 3, 3, 12],
    [40, 7, 7],
  ],
  [
    [1, 2, 3],
    [4, 5, 6, 7],
  ],
]
/** Pairs: what is learned of them are the answers, the first tokens of which hang on the last one of a prompt that is computed once. */
const batch = collate(
  prompts.flatMap((prompt, i) =>
    answers[i].map((answer) => ({
      inputIds: Int32Array.from([...prompt, ...answer]),
      mask: Uint8Array.from([...prompt.map(() => 0), ...answer.map(() => 1)]),
      origin: { file: 'pairs' },
    })),
  ),
)
const weights = Float64Array.from({ length: batch.learnedTokens }, (_, i) => ((i % 4) - 1.4) / 7)
const engines =
  (await engineProblem('native')) === undefined
    ? (['reference', 'native'] as const)
    : (['reference'] as const)

// Each of these computes attention in a way of its own: windows, bounds, sinks, keys of an earlier layer, experts.
const families = ['llama', 'gemma2', 'gemma3', 'gemma4', 'gpt-oss', 'qwen3', 'olmo2', 'gpt2', 'mixtral']

describe.each(engines)('%s', (engine) => {
  // The reference engine takes long, and has one way for all.
  const tried =
    engine === 'native' ? families : families.filter((name) => ['gemma4', 'gpt-oss'].includes(name))
  it.each(tried)('what documents begin with alike is computed once: %s', async (name) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture(name), { engine, dtype: 'float32' })
    const { passes } = internalsOf(model)
    const count = batch.inputIds.length
    expect(passes.sizeOf(batch)).toBe(count)
    expect(passes.sizeOf(batch, { shares: true })).toBeLessThan(count)
    const pass = async (options: { shares: boolean; recompute?: boolean; activationBytes?: number }) => {
      const { training } = await createTrainer(model)
      const { engine: computes, gradients } = training.trainable
      computes.write(gradients, new Float32Array(gradients.shape[0]))
      let told = new Float32Array(0)
      await passes.train(batch, (logProbs) => ((told = Float32Array.from(logProbs)), weights), options)
      return { logProbs: told, gradients: Float32Array.from(await computes.read(gradients)) }
    }
    const apart = await pass({ shares: false })
    for (const options of [
      { shares: true },
      { shares: true, recompute: true },
      { shares: true, activationBytes: 1 },
    ]) {
      const shared = await pass(options)
      expect(maxDifference(shared.logProbs, apart.logProbs)).toBeLessThan(2e-5)
      expect(relativeError(shared.gradients, apart.gradients)).toBeLessThan(2e-5)
    }
    expect(
      maxDifference(await passes.logProbs(batch, { shares: true }), await passes.logProbs(batch)),
    ).toBeLessThan(2e-5)
    const [one, all] = [await passes.described(batch, { shares: true }), await passes.described(batch)]
    expect(maxDifference(one.description.entropy, all.description.entropy)).toBeLessThan(2e-5)
    await model.free()
  })

  it.each(['qwen3-5', 'lfm2'])(
    'where more than attention mixes tokens each document is computed: %s',
    async (name) => {
      const model = await AutoModelForCausalLM.fromPretrained(fixture(name), { engine, dtype: 'float32' })
      const { passes } = internalsOf(model)
      expect(passes.sizeOf(batch, { shares: true })).toBe(batch.inputIds.length)
      expect(await passes.logProbs(batch, { shares: true })).toEqual(await passes.logProbs(batch))
      await model.free()
    },
  )
})
