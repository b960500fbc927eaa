import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collate, type Document } from '../../src/batch/index.ts'
import { engineProblem } from '../../src/engine/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { createRandom } from '../../src/random.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { createAdamW, runTraining, type Objective, type StepEvent } from '../../src/train/index.ts'
import type { ForwardPasses } from '../../src/train/loop/forward-passes.ts'
import { sft } from '../../src/train/objectives/sft.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'
import { fixture, maxDifference, readTensors } from '../model/golden.ts'
import { dpo } from './dpo.ts'
import { dataOf } from './training-data.ts'

interface Pair {
  prompt_ids: number[]
  chosen_ids: number[]
  rejected_ids: number[]
}

const preference = (name: string) => join(import.meta.dirname, '../fixtures/preference', name)
const assets = join(import.meta.dirname, '../../assets')

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-objective-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A prompt that is not learned, and an answer that is. */
function document(prompt: readonly number[], answer: readonly number[], line: number): Document {
  const mask = [...prompt.map(() => 0), ...answer.map(() => 1)]
  return {
    inputIds: Int32Array.of(...prompt, ...answer),
    mask: Uint8Array.from(mask),
    origin: { file: 'pairs', line },
  }
}

const pairsOf = (rows: readonly Pair[]) =>
  rows.flatMap(({ prompt_ids: prompt, chosen_ids: chosen, rejected_ids: rejected }, i) => [
    document(prompt, chosen, i + 1),
    document(prompt, rejected, i + 1),
  ])

describe.each<[string, Objective]>([
  ['sft', sft([2])],
  ['dpo', dpo(0.3)],
])('%s', (_, objective) => {
  it('gives as weights what its loss falls by when a log-probability rises', async () => {
    const rows = [
      { prompt_ids: [5, 6], chosen_ids: [7, 8, 2], rejected_ids: [9, 2] },
      { prompt_ids: [5], chosen_ids: [7, 2], rejected_ids: [9, 11, 12, 2] },
    ]
    const batch = collate(pairsOf(rows))
    const random = createRandom(3)
    const values = (count: number) => Float32Array.from({ length: count }, () => -4 * random())
    const [logProbs, reference] = [values(batch.learnedTokens), values(batch.learnedTokens)]
    const passes: ForwardPasses = {
      logProbs: async () => logProbs,
      reference: async () => reference,
      alternative: async () => ({ logProbs, alternative: logProbs, best: new Int32Array(logProbs.length) }),
      described: async () => ({
        logProbs,
        description: { entropy: logProbs, meanLogit: logProbs, margin: logProbs, logSquares: reference },
      }),
    }
    const at = async (numbers: Float32Array) => {
      const step = await objective.begin([batch], passes)
      const given = await step.weights(batch)
      const weights = typeof given === 'function' ? given(numbers) : given
      step.passed?.(batch, numbers)
      return { loss: step.end().loss, weights }
    }
    const { weights } = await at(logProbs)
    for (const i of logProbs.keys()) {
      const moved = (by: number) => logProbs.with(i, logProbs[i] + by)
      // An eighth is exact in float32; the third derivative of the loss is below 0.3³.
      const rise = (await at(moved(1 / 8))).loss - (await at(moved(-1 / 8))).loss
      expect(weights[i]).toBeCloseTo(-rise * 4, 4)
    }
  })
})

const engines =
  (await engineProblem('native')) === undefined
    ? (['reference', 'native'] as const)
    : (['reference'] as const)

describe.each(engines)('%s', (engine) => {
  it('trains with DPO as TRL does, by an objective that is one file', async () => {
    const golden = JSON.parse(await readFile(preference('golden.json'), 'utf8')) as {
      cases: { [name: string]: { rows: Pair[]; batch: number; steps: Record<string, number>[] } }
    }
    const { rows, batch: pairs, steps } = golden.cases['dpo-sigmoid']
    const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine, dtype: 'float32' })
    await model.loadAdapter(fixture('llama', 'lora_init'))
    const outputDir = join(folder, engine)
    const options = readTrainOptions({
      data: ['not read'],
      outputDir,
      learningRate: 5e-3,
      lrSchedulerType: 'constant',
      maxGradNorm: 1,
    })
    const documents = pairsOf(rows)
    const batches = steps.map((_, step) => collate(documents.slice(2 * pairs * step, 2 * pairs * (step + 1))))
    const events: StepEvent[] = []
    for await (const event of runTraining({
      model,
      tokenizer: await AutoTokenizer.fromPretrained(join(assets, 'tiny-llama')),
      objective: dpo(0.3),
      optimiser: (parameters) => createAdamW(parameters, { weightDecay: 0.01 }),
      data: { ...dataOf(batches), evaluation: { batches: () => [batches[0]] } },
      options,
      begun: 0,
    })) {
      if (event.type === 'step') events.push(event)
      if (event.type === 'eval' && event.step === 0) expect(event.loss).toBeCloseTo(steps[0].loss, 5)
    }
    // Tolerances as for the other training runs of the fixtures.
    for (const [i, expected] of steps.entries()) {
      const { loss, grad_norm, metrics } = events[i]
      const found: Record<string, number> = { loss, grad_norm, ...metrics }
      for (const [name, value] of Object.entries(found))
        expect(Math.abs(value - expected[name]), `${name} of step ${i + 1}`).toBeLessThan(1e-4)
    }
    const actual = await readTensors(join(outputDir, 'adapter_model.safetensors'))
    const expected = await readTensors(preference('golden.safetensors'))
    const names = expected.names.filter((name) => name.startsWith('dpo-sigmoid/'))
    expect(actual.names.toSorted()).toEqual(names.map((name) => name.split('/')[1]).toSorted())
    for (const name of actual.names) {
      const weights = await expected.floats(`dpo-sigmoid/${name}`)
      expect(maxDifference(await actual.floats(name), weights), name).toBeLessThan(2e-4)
    }
  })
})

it('is what the documentation shows', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/adding-an-objective.md'), 'utf8')
  const code = (await readFile(join(import.meta.dirname, 'dpo.ts'), 'utf8'))
    .replace('../../src/batch/', '../../batch/')
    .replace('../../src/train/index.ts', './objective.ts')
  expect(page).toContain(code)
})
