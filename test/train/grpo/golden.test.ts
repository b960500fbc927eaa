import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineProblem } from '../../../src/engine/index.ts'
import { AutoModelForCausalLM } from '../../../src/model/index.ts'
import { AutoTokenizer, type Tokenizer } from '../../../src/tokenizer/index.ts'
import { trainGrpo, type RewardContext, type StepEvent } from '../../../src/train/index.ts'
import { fixture, readTensors } from '../../model/golden.ts'
import { expectRecordedSteps, expectRecordedTensors } from '../recorded-steps.ts'

interface Case {
  options: Record<string, unknown>
  batch: number
  longest: number
  prompts: number[][]
  generations: { prompts: number[][]; completions: number[][] }[]
  steps: Record<string, number>[]
}

const preference = (name: string) => join(import.meta.dirname, '../../fixtures/preference', name)
const golden = JSON.parse(await readFile(preference('grpo.json'), 'utf8')) as { cases: Record<string, Case> }
const weights = await readTensors(preference('grpo.safetensors'))
const all = Object.entries(golden.cases)
/** What differs between engines is little of this: where there is the native one, it gets all of the cases. */
const some = all.filter(([name]) => ['dapo', 'kl-continued', 'late-and-again', 'temperature'].includes(name))
const engines =
  (await engineProblem('native')) === undefined
    ? ([
        ['reference', some],
        ['native', all],
      ] as const)
    : ([['reference', all]] as const)

let folder = ''
let tokenizer: Tokenizer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-grpo-'))
  tokenizer = await AutoTokenizer.fromPretrained(join(import.meta.dirname, '../../../assets/tiny-llama'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The rewards of the recorded runs. */
const spread = (_: string, __: object, { completionIds }: RewardContext) =>
  (completionIds.reduce((sum, id) => sum + id, 0) % 11) / 5
const length = (_: string, __: object, { completionIds }: RewardContext) =>
  completionIds[0] % 2 === 0 ? null : completionIds.length

/** TRL counts tokens where they are sampled, fettle where they are learned. */
const untold = new Set(['epoch', 'step', 'num_tokens', 'step_time'])

describe.each(engines)('%s', (engine, cases) => {
  it.each(cases)('learns as TRL does: %s', async (name, recorded) => {
    const { options, batch, longest, prompts, generations, steps } = recorded
    const { adapter = 'lora_init', ...given } = options
    const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine, dtype: 'float32' })
    await model.loadAdapter(fixture('llama', String(adapter)))
    const outputDir = join(folder, `${engine}-${name}`)
    const renamed = Object.fromEntries(
      Object.entries(given).map(([key, value]) => [
        key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
        value,
      ]),
    )
    let generation = 0
    const events: StepEvent[] = []
    for await (const event of trainGrpo({
      learningRate: 5e-3,
      ...renamed,
      model,
      tokenizer,
      data: [{ rows: prompts.map((prompt_ids) => ({ prompt_ids })) }],
      rewards: 'rewardWeights' in renamed ? [spread, length] : [spread],
      rolloutFunc(asked) {
        const { prompts: expected, completions } = generations[generation++]
        expect(asked).toEqual(expected)
        return completions
      },
      outputDir,
      numGenerations: 4,
      maxCompletionLength: longest,
      perDeviceTrainBatchSize: batch,
      shuffle: false,
      maxSteps: steps.length,
      lrSchedulerType: 'constant',
      warmupSteps: 0,
      weightDecay: 0.01,
      saveSteps: 0,
    }))
      if (event.type === 'step') events.push(event)
    expectRecordedSteps(events, steps, (key, value) => untold.has(key) || value === null)
    const actual = await readTensors(join(outputDir, 'adapter_model.safetensors'))
    await expectRecordedTensors(actual, weights, name)
    await model.free()
  })
})
