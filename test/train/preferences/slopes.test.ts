import { expect, it } from 'vitest'
import { collate, type Document } from '../../../src/batch/index.ts'
import { createRandom } from '../../../src/random.ts'
import type { ForwardPasses } from '../../../src/train/loop/forward-passes.ts'
import { cpo } from '../../../src/train/objectives/cpo.ts'
import { dpo } from '../../../src/train/objectives/dpo.ts'
import type { DpoLoss, DpoOptions } from '../../../src/train/objectives/dpo-terms.ts'
import type { Objective } from '../../../src/train/objectives/objective.ts'
import { orpo } from '../../../src/train/objectives/orpo.ts'
import { lossTypes } from '../../../src/train/options/index.ts'

const options: DpoOptions = {
  lossType: ['sigmoid'],
  lossWeights: [1],
  beta: 0.3,
  labelSmoothing: 0.1,
  discopopTau: 0.5,
  fDivergenceType: 'reverse_kl',
  fAlphaDivergenceCoef: 0.5,
  useWeighting: false,
}
const cpoOptions = { beta: 0.3, labelSmoothing: 0.1, cpoAlpha: 0.5, simpoGamma: 0.5, alpha: 0 }
const of = (lossType: DpoLoss, more: Partial<DpoOptions> = {}): [string, Objective] => [
  `dpo ${lossType} ${Object.keys(more).join()}`,
  dpo({ ...options, lossType: [lossType], ...more }),
]

/** A prompt that is not learned, and an answer that is. */
function document(prompt: number, answer: number): Document {
  const mask = Uint8Array.from({ length: prompt + answer }, (_, i) => (i < prompt ? 0 : 1))
  return { inputIds: new Int32Array(mask.length).fill(5), mask, origin: { file: 'pairs' } }
}

it.each<[string, Objective]>([
  ...lossTypes.dpo.map((loss) => of(loss)),
  of('sigmoid', { ldAlpha: 0.4 }),
  of('sigmoid', { fDivergenceType: 'forward_kl' }),
  of('hinge', { fDivergenceType: 'js_divergence' }),
  of('exo_pair', { fDivergenceType: 'alpha_divergence' }),
  ['orpo', orpo(0.2)],
  ...lossTypes.cpo.map((lossType): [string, Objective] => [
    `cpo ${lossType}`,
    cpo({ ...cpoOptions, lossType }),
  ]),
  ['cpo alpha', cpo({ ...cpoOptions, lossType: 'simpo', alpha: 0.2 })],
])('gives as weights what its loss falls by when a log-probability rises: %s', async (_, objective) => {
  const pairs = [
    document(2, 3),
    document(2, 2),
    document(1, 2),
    document(1, 4),
    document(3, 1),
    document(3, 3),
  ]
  const batches = [collate(pairs.slice(0, 4)), collate(pairs.slice(4))]
  const random = createRandom(3)
  const values = (count: number) => Float32Array.from({ length: count }, () => -2 * random())
  const logProbs = batches.map(({ learnedTokens }) => values(learnedTokens))
  const reference = batches.map(({ learnedTokens }) => values(learnedTokens))
  const at = async (numbers: Float32Array[]) => {
    const description = (i: number) => ({
      entropy: numbers[i],
      meanLogit: numbers[i],
      margin: numbers[i],
      logSquares: reference[i],
    })
    const indexOf = (batch: unknown) => batches.indexOf(batch as (typeof batches)[number])
    const passes: ForwardPasses = {
      logProbs: async (batch) => numbers[indexOf(batch)],
      reference: async (batch) => reference[indexOf(batch)],
      described: async (batch) => ({
        logProbs: numbers[indexOf(batch)],
        description: description(indexOf(batch)),
      }),
      alternative: async () => ({ logProbs: numbers[0], alternative: numbers[0], best: new Int32Array(0) }),
    }
    const step = await objective.begin(batches, passes)
    const weights: number[][] = []
    for (const [i, batch] of batches.entries()) {
      const given = await step.weights(batch)
      weights.push(Array.from(typeof given === 'function' ? given(numbers[i], description(i)) : given))
      step.passed?.(batch, numbers[i], description(i))
    }
    return { loss: step.end().loss, weights }
  }
  const { weights } = await at(logProbs)
  for (const [batch, numbers] of logProbs.entries())
    for (const i of numbers.keys()) {
      const moved = (by: number) => at(logProbs.with(batch, numbers.with(i, numbers[i] + by)))
      // A 64th is exact enough in float32, and small beside the curvature of every loss here.
      const fall = ((await moved(-1 / 64)).loss - (await moved(1 / 64)).loss) * 32
      expect(weights[batch][i]).toBeCloseTo(fall, 2)
      expect(Math.abs(weights[batch][i] - fall)).toBeLessThan(2e-3 * Math.max(1, Math.abs(fall)))
    }
})
