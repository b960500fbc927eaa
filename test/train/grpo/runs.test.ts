import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../../src/model/index.ts'
import { AutoTokenizer } from '../../../src/tokenizer/index.ts'
import { loadRewards } from '../../../src/train/grpo/load-rewards.ts'
import { trainGrpo, type TrainGrpoInput } from '../../../src/train/index.ts'
import { createRuns, stepsOf, type Given } from '../stopped-runs.ts'

const tiny = join(import.meta.dirname, '../../../assets/tiny-llama')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)

const rows = Array.from({ length: 6 }, (_, i) => ({
  prompt: [{ role: 'user', content: `Count to ${i}.` }],
  letters: i,
}))
/** The more e's the better. */
const letters = (completion: string) => completion.split('e').length

const runs = createRuns<TrainGrpoInput>(() => AutoModelForCausalLM.fromPretrained(tiny), tokenizer, {
  data: [{ rows, name: 'rows' }],
  rewards: [letters],
  lora: { r: 4, loraDropout: 0.1 },
  learningRate: 1e-3,
  numGenerations: 4,
  maxCompletionLength: 8,
  maxSteps: 4,
  saveSteps: 0,
})
const run = (name: string, given?: Given<TrainGrpoInput>, stop?: AbortController) =>
  runs.run(trainGrpo, name, given, stop)

describe('goes on to the same bits', () => {
  it.each<[string, Given<TrainGrpoInput>, number]>([
    ['plainly', { lora: { r: 4 } }, 2],
    ['between two uses of a generation', { numIterations: 2, stepsPerGeneration: 2, beta: 0.1 }, 1],
  ])('%s', (name, given, stop) => runs.expectSameBits(trainGrpo, name, given, stop))

  it('where a function that never answers is not waited for', async () => {
    const stop = new AbortController()
    let asked = 0
    const rewards = [
      function letters(completion: string) {
        asked += 1
        if (asked !== 6) return completion.split('e').length
        stop.abort()
        return new Promise<number>(() => {})
      },
    ]
    await runs.expectSameBits(trainGrpo, 'never', { rewards, maxSteps: 2 }, stop)
    expect(existsSync(runs.place('never', 'checkpoint-1'))).toBe(true)
  })
})

it('tells rewards of what it sampled, and of held-out prompts', async () => {
  const events = await run('told', { evalData: [{ rows: rows.slice(0, 2) }], maxSteps: 1 })
  const [{ metrics = {} }] = stepsOf(events)
  expect(metrics['reward']).toBe(metrics['rewards/letters/mean'])
  expect(metrics['completions/max_length']).toBeLessThanOrEqual(8)
  expect(metrics['entropy']).toBeGreaterThan(0)
  expect(events.filter(({ type }) => type === 'eval')).toHaveLength(2)
  expect(events.find(({ type }) => type === 'eval')).toHaveProperty('metrics.reward')
})

it('gets functions from modules, and rows with all their columns', async () => {
  const path = runs.place('judges.mjs')
  await writeFile(
    path,
    'export default function judges(text, row) { return row.letters }\nexport async function shorter(text) { return -text.length }\n',
  )
  const events = await run('modules', { rewards: [path], rewardWeights: [2, 1], maxSteps: 1, shuffle: false })
  const [{ metrics = {} }] = stepsOf(events)
  expect(Object.keys(metrics).filter((name) => name.endsWith('/mean'))).toEqual([
    'rewards/judges/mean',
    'rewards/shorter/mean',
  ])
  expect(metrics['rewards/judges/mean']).toBe(0)
  expect(metrics).toHaveProperty('rewards/shorter/mean')
})

describe('says what is wrong', () => {
  it.each<[string, Given<TrainGrpoInput>, RegExp]>([
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
    [
      'a promise that nothing settles',
      {
        rewards: [
          () => {
            // Node says so when nothing is left to do.
            setImmediate(() => process.listeners('beforeExit').at(-1)?.(0))
            return new Promise<number>(() => {})
          },
        ],
      },
      /reward_1: a promise that nothing settles; expected a finite number/,
    ],
    [
      'a number of another kind',
      { rewards: [() => 5n as unknown as number] },
      /reward_1: 5 \(bigint\); expected a finite number/,
    ],
    [
      "TRL's arguments",
      { rewards: [(({ completions }: { completions: string[] }) => completions.length) as never] },
      /reward_1: the function threw: Cannot read .*\. It is called as \(completion, row, context\)\./,
    ],
    [
      'true',
      { rewards: [() => true as unknown as number] },
      /reward_1: true; expected .*\. Return 1 for true and 0 for false\./,
    ],
    [
      'a list',
      { rewards: [() => [1, 2] as unknown as number] },
      /reward_1: \[1, 2\]; expected .*one completion at a time, unlike TRL's functions/,
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
    ['too few completions', { rolloutFunc: () => [[1]] }, /rolloutFunc: 1 completion; expected 4 lists/],
    [
      'another loss',
      { lossType: 'sigmoid' },
      /loss_type: "sigmoid"; expected a loss of grpo: dapo, grpo, dr_grpo, bnpo/,
    ],
  ])('%s', async (name, given, message) => {
    await expect(run(`wrong ${name}`, given)).rejects.toThrow(message)
  })

  it.each<[string, string, RegExp]>([
    [
      'ERR_UNKNOWN_FILE_EXTENSION',
      'judge.ts',
      /judge\.ts: a file that Node \d+\.\d+\.\d+ does not run; expected a module .*\. Write it as \.mjs, or use Node 22\.18, 23\.6 or later, which run TypeScript\./,
    ],
    ['ERR_UNKNOWN_FILE_EXTENSION', 'judge.txt', /does not run; .*\. Write it as \.mjs\.$/],
    ['ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX', 'judge.mts', /enum is not supported; .* without enum, namespace/],
    ['ERR_OTHER', 'judge.mjs', /judge\.mjs: enum is not supported; expected a module that exports functions/],
  ])('a module that Node cannot load: %s of %s', async (code, name, message) => {
    const path = runs.place(name)
    await writeFile(path, '')
    const failing = () => Promise.reject(Object.assign(new Error('enum is not supported'), { code }))
    await expect(loadRewards([path], failing)).rejects.toThrow(message)
  })

  it('folders that are no reward models', async () => {
    await mkdir(runs.place('empty'))
    await expect(loadRewards([runs.place('empty')])).rejects.toThrow(
      /empty: a folder without config\.json and adapter_config\.json; expected .* or the folder of a reward model/,
    )
    await expect(loadRewards([tiny])).rejects.toThrow(
      /tiny-llama: a language model; expected a reward model, .*Train one with method: reward/,
    )
  })

  it('and keeps what is trained', async () => {
    let asked = 0
    const tires = () => (++asked > 4 ? Number.POSITIVE_INFINITY : asked)
    await expect(run('tired', { rewards: [tires] })).rejects.toThrow(
      /rows#\d: reward tires: Infinity; expected a finite number.*Nothing trained is lost: go on with --resume, from .*checkpoint-1/,
    )
    expect(existsSync(runs.place('tired', 'checkpoint-1', 'adapter_model.safetensors'))).toBe(true)
    const rest = await run('tired', {
      rewards: [Object.defineProperty(letters, 'name', { value: 'tires' })],
      resumeFromCheckpoint: true,
    })
    expect(stepsOf(rest).map(({ step }) => step)).toEqual([2, 3, 4])
  })
})
