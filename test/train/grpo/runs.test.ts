import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../../src/model/index.ts'
import { AutoTokenizer } from '../../../src/tokenizer/index.ts'
import { trainGrpo, type StepEvent, type TrainEvent, type TrainGrpoInput } from '../../../src/train/index.ts'

const tiny = join(import.meta.dirname, '../../../assets/tiny-llama')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-grpo-'))
})
afterAll(() => rm(folder, { recursive: true }))

const rows = Array.from({ length: 6 }, (_, i) => ({
  prompt: [{ role: 'user', content: `Count to ${i}.` }],
  letters: i,
}))
/** The more e's the better. */
const letters = (completion: string) => completion.split('e').length

type Given = Partial<Omit<TrainGrpoInput, 'model' | 'tokenizer'>>

async function run(name: string, given: Given = {}, stopAfter = Infinity): Promise<TrainEvent[]> {
  const model = await AutoModelForCausalLM.fromPretrained(tiny)
  const stop = new AbortController()
  const events: TrainEvent[] = []
  try {
    for await (const event of trainGrpo({
      data: [{ rows, name: 'rows' }],
      rewards: [letters],
      lora: { r: 4, loraDropout: 0.1 },
      learningRate: 1e-3,
      numGenerations: 4,
      maxCompletionLength: 8,
      maxSteps: 4,
      saveSteps: 0,
      ...given,
      model,
      tokenizer,
      outputDir: join(folder, name),
      signal: stop.signal,
    })) {
      events.push(event)
      if (event.type === 'step' && event.step === stopAfter) stop.abort()
    }
  } finally {
    await model.free()
  }
  return events
}

const steps = (events: TrainEvent[]) => events.filter((event): event is StepEvent => event.type === 'step')
const numbers = (events: TrainEvent[]) =>
  steps(events).map(({ step, loss, grad_norm, metrics }) => ({ step, loss, grad_norm, metrics }))
const adapter = (name: string) => readFile(join(folder, name, 'adapter_model.safetensors'))

describe('goes on to the same bits', () => {
  it.each<[string, Given, number]>([
    ['plainly', {}, 2],
    ['between two uses of a generation', { numIterations: 2, stepsPerGeneration: 2, beta: 0.1 }, 1],
  ])('%s', async (name, given, stopAfter) => {
    const whole = await run(`${name}-whole`, given)
    const first = await run(name, given, stopAfter)
    const rest = await run(name, { ...given, resumeFromCheckpoint: true })
    expect([...numbers(first), ...numbers(rest)]).toEqual(numbers(whole))
    expect((await adapter(name)).equals(await adapter(`${name}-whole`))).toBe(true)
  })
})

it('tells rewards of what it sampled, and of held-out prompts', async () => {
  const events = await run('told', { evalData: [{ rows: rows.slice(0, 2) }], maxSteps: 1 })
  const [{ metrics = {} }] = steps(events)
  expect(metrics['reward']).toBe(metrics['rewards/letters/mean'])
  expect(metrics['completions/max_length']).toBeLessThanOrEqual(8)
  expect(metrics['entropy']).toBeGreaterThan(0)
  expect(events.filter(({ type }) => type === 'eval')).toHaveLength(2)
  expect(events.find(({ type }) => type === 'eval')).toHaveProperty('metrics.reward')
})

it('gets functions from modules, and rows with all their columns', async () => {
  const path = join(folder, 'judges.mjs')
  await writeFile(
    path,
    'export default function judges(text, row) { return row.letters }\nexport async function shorter(text) { return -text.length }\n',
  )
  const events = await run('modules', { rewards: [path], rewardWeights: [2, 1], maxSteps: 1, shuffle: false })
  const [{ metrics = {} }] = steps(events)
  expect(Object.keys(metrics).filter((name) => name.endsWith('/mean'))).toEqual([
    'rewards/judges/mean',
    'rewards/shorter/mean',
  ])
  expect(metrics['rewards/judges/mean']).toBe(0)
  expect(metrics).toHaveProperty('rewards/shorter/mean')
})

describe('says what is wrong', () => {
  it.each<[string, Given, RegExp]>([
    [
      'a function that throws',
      {
        rewards: [
          () => {
            throw new Error('no network')
          },
        ],
      },
      /rows#\d: reward reward_1: the function threw: no network; expected a finite number/,
    ],
    [
      'a number that is none',
      {
        rewards: [
          function judge() {
            return Number.NaN
          },
        ],
      },
      /reward judge: NaN; expected a finite number/,
    ],
    [
      'a text',
      { rewards: [() => 'good' as unknown as number] },
      /reward_1: "good"; expected a finite number/,
    ],
    ['no functions', { rewards: undefined }, /rewards: nothing, with method grpo/],
    [
      'too few weights',
      { rewardWeights: [1, 2] },
      /reward_weights: 2 weights; expected 1, one for each function: letters/,
    ],
    ['a group that does not fit', { numGenerations: 3 }, /num_generations: 3, and 4 completions/],
    [
      'no prompt',
      { data: [{ rows: [{ question: 'a' }], name: 'rows' }] },
      /rows#0: columns question; expected prompt/,
    ],
    ['prompts that are all too long', { maxLength: 4 }, /longer than max_length 4: rows#0/],
    ['a module that is not there', { rewards: ['nowhere.mjs'] }, /rewards: nowhere.mjs: nothing/],
    ['too few completions', { rolloutFunc: () => [[1]] }, /rolloutFunc: 1 completions; expected 4 lists/],
    [
      'another loss',
      { lossType: 'sigmoid' },
      /loss_type: "sigmoid"; expected a loss of grpo: dapo, grpo, dr_grpo, bnpo/,
    ],
  ])('%s', async (name, given, message) => {
    await expect(run(`wrong ${name}`, given)).rejects.toThrow(message)
  })

  it('and keeps what is trained', async () => {
    let asked = 0
    const tires = () => (++asked > 4 ? Number.POSITIVE_INFINITY : asked)
    await expect(run('tired', { rewards: [tires] })).rejects.toThrow(
      /rows#\d: reward tires: Infinity; expected a finite number.*Nothing trained is lost: go on with --resume, from .*checkpoint-1/,
    )
    expect(existsSync(join(folder, 'tired/checkpoint-1/adapter_model.safetensors'))).toBe(true)
    const rest = await run('tired', {
      rewards: [Object.defineProperty(letters, 'name', { value: 'tires' })],
      resumeFromCheckpoint: true,
    })
    expect(steps(rest).map(({ step }) => step)).toEqual([2, 3, 4])
  })
})
