import { homedir } from 'node:os'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { FettleError } from '../../src/error.ts'
import { flagLayer, optionFlags } from '../../src/train/options/option-flags.ts'
import { runFileJsonSchema } from '../../src/train/options/run-file-schema.ts'
import { loraOptions, maskPolicyOf } from '../../src/train/options/options.ts'
import { readRunOptions, readTrainOptions } from '../../src/train/options/read-options.ts'
import { runFileLayer } from '../../src/train/options/run-file-layer.ts'

const read = (text: string, flags: Record<string, unknown> = {}) =>
  readRunOptions([runFileLayer(text, 'run.yaml'), flagLayer(flags)])

function errorOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof FettleError) return error.message
    throw error
  }
  return 'no error'
}

const minimal = 'model: m\ndata: [{ path: train.jsonl }]\n'

describe('a run file', () => {
  test('of two lines has every default', () => {
    expect(read(minimal)).toMatchObject({
      model: 'm',
      data: [{ path: 'train.jsonl', format: 'auto' }],
      lora: { r: 16, loraAlpha: 32, loraDropout: 0, targetModules: 'all-linear', bias: 'none' },
      adapter: null,
      dtype: 'auto',
      quantization: null,
      maxLength: 1024,
      packing: true,
      perDeviceTrainBatchSize: 4,
      gradientAccumulationSteps: 1,
      numTrainEpochs: 1,
      learningRate: 2e-4,
      lrSchedulerType: 'cosine',
      seed: 42,
      saveSteps: 50,
    })
  })

  test('may spell keys in three ways', () => {
    const options = read(
      `${minimal}learning_rate: 1e-4\nmaxLength: 99\nwarmup-ratio: 0.1\nlora: { lora-alpha: 7 }\n`,
    )
    expect(options).toMatchObject({
      learningRate: 1e-4,
      maxLength: 99,
      warmupRatio: 0.1,
      lora: { loraAlpha: 7 },
    })
  })

  test('has paths from the user’s folder, as a shell would give them', () => {
    const text = `model: ~/m
adapter: ~/a
chat-template: ~/t.jinja
data: [~/d.jsonl, { Path: ~/e.jsonl }, { path: [~/f, g] }, ~x/y]
eval_data: ~/h
outputDir: ~/o
cache_dir: ~/c
lora: null
sample_prompts: [~/not a path]
`
    const home = homedir()
    expect(read(text)).toMatchObject({
      model: `${home}/m`,
      adapter: `${home}/a`,
      chatTemplate: `${home}/t.jinja`,
      data: [
        { path: `${home}/d.jsonl` },
        { path: `${home}/e.jsonl` },
        { path: [`${home}/f`, 'g'] },
        { path: '~x/y' },
      ],
      evalData: [{ path: `${home}/h` }],
      outputDir: `${home}/o`,
      cacheDir: `${home}/c`,
      samplePrompts: ['~/not a path'],
    })
  })

  test('keeps the keys that users choose', () => {
    const options = read(
      'model: m\ndata: [{ path: a.jsonl, roles: { Bot_1: assistant }, columns: { input: My_Question } }]\n' +
        'lora: { rank_pattern: { q_proj: 4 } }\nchat_template_kwargs: { enable_thinking: false }\n',
    )
    expect(options.data).toEqual([
      { path: 'a.jsonl', format: 'auto', roles: { Bot_1: 'assistant' }, columns: { input: 'My_Question' } },
    ])
    expect(options.lora?.rankPattern).toEqual({ q_proj: 4 })
    expect(options.chatTemplateKwargs).toEqual({ enable_thinking: false })
  })

  test('without LoRA has a lower learning rate', () => {
    expect(read(`${minimal}lora: null`)).toMatchObject({ lora: null, learningRate: 2e-5 })
  })

  test('may name one file instead of a list', () => {
    expect(read('model: m\ndata: a.jsonl').data).toEqual([{ path: 'a.jsonl' }])
  })
})

/** A thousand million texts, written in ten lines. */
function laughs(): string {
  const names = [...'abcdefghij']
  return names
    .map(
      (name, i) =>
        `${name}: &${name} [${Array(10)
          .fill(i === 0 ? 'x' : `*${names[i - 1]}`)
          .join()}]`,
    )
    .join('\n')
}

describe('errors name line, value and cure', () => {
  test.each([
    [
      'unknown key',
      `${minimal}learning_rte: 1e-4`,
      'run.yaml:3: learning_rte, which is no option. Did you mean learning_rate?',
    ],
    [
      'name from elsewhere',
      `${minimal}cutoff_len: 12`,
      'run.yaml:3: cutoff_len, which is no option. Did you mean max_length?',
    ],
    [
      'LoRA outside its block',
      `${minimal}lora_r: 12`,
      'run.yaml:3: lora_r, which is no option. Did you mean lora.r?',
    ],
    [
      'unknown key in a block',
      `${minimal}lora:\n  r: 8\n  alpha: 16`,
      'run.yaml:5: alpha, which is no option of lora. Did you mean lora_alpha?',
    ],
    [
      'wrong type',
      `${minimal}learning_rate: fast`,
      'run.yaml:3: learning_rate is "fast"; expected a number.',
    ],
    [
      'wrong choice',
      `${minimal}dtype: fp16`,
      'run.yaml:3: dtype is "fp16"; expected auto or float32 or bfloat16.',
    ],
    ['out of range', `${minimal}max_length: 0`, 'run.yaml:3: max_length is 0; expected a number from 2.'],
    [
      'wrong type in a union',
      `${minimal}lora: { target_modules: 7 }`,
      'run.yaml:3: lora.target_modules is 7; expected a text or a list.',
    ],
    ['missing', 'data: a.jsonl', 'run.yaml: no model; expected model: Hugging Face folder or .gguf file.'],
    [
      'source with a typing error',
      'model: m\ndata:\n  - path: a.jsonl\n    formt: text',
      'run.yaml:4: formt, which is no option of data. Did you mean format?',
    ],
    [
      'unknown format',
      'model: m\ndata: [{ path: a.jsonl, format: chat }]',
      'run.yaml:2: data.0.format is "chat"; expected auto or messages or sharegpt or prompt_completion or instruct or text or tokens.',
    ],
    ['two spellings', `${minimal}seed: 1\nSeed: 2`, 'run.yaml:4: Seed given twice; expected one value.'],
    ['not a mapping', '- a', 'run.yaml: no options; expected lines like learning_rate: 2.0e-4.'],
  ])('%s', (_, text, message) => {
    expect(errorOf(() => read(text))).toBe(message)
  })

  test('all are shown together', () => {
    const message = errorOf(() =>
      read(`${minimal}seed: -1\nlogging_steps: no\nlora:\n  r: 0\n`, { dtype: 'fp8' }),
    )
    expect(message.split('\n')).toEqual([
      'run.yaml:6: lora.r is 0; expected a number from 1.',
      '--dtype: dtype is "fp8"; expected auto or float32 or bfloat16.',
      'run.yaml:3: seed is -1; expected a number from 0.',
      'run.yaml:4: logging_steps is "no"; expected a number.',
    ])
  })

  test.each([
    [
      'an alias of nothing',
      'model: *nope\ndata: x',
      'run.yaml:1: not YAML: *nope stands for nothing above it (column 8)',
    ],
    ['a circle', '&a {b: *a}', 'run.yaml:1: not YAML: *a stands inside of &a (column 8)'],
    ['a circle below', 'lora:\n  &l\n  r: *l', 'run.yaml:3: not YAML: *l stands inside of &l (column 6)'],
    [
      'the same key twice',
      'seed: 1\nmodel: m\nseed: 2',
      'run.yaml:3: not YAML: Map keys must be unique (column 1)',
    ],
    ['a key of several', '? [a, b]\n: 1', 'run.yaml:1: not YAML: a key that is no name (column 3)'],
    [
      'a second document',
      'seed: 1\n---\nseed: 2',
      'run.yaml:2: not YAML: Source contains multiple documents',
    ],
    ['a tab', 'lora:\n\tr: 2', 'run.yaml:2: not YAML: Tabs are not allowed as indentation (column 1)'],
    ['depth', '['.repeat(20_000), 'run.yaml:1: not YAML: nested too deeply (column '],
    ['aliases of aliases', laughs(), 'run.yaml: not YAML that can be read: Excessive alias count'],
    ['length', `#${'x'.repeat(2 ** 20)}`, 'run.yaml: 1048577 characters; expected YAML of at most 1048576'],
    ['a name of JavaScript', `${minimal}constructor: 1`, 'run.yaml:3: constructor, which is no option'],
    ['another', `${minimal}__proto__: { seed: 1 }`, 'run.yaml:3: __proto__, which is no option'],
    ['one in a block', `${minimal}lora: { toString: 1 }`, 'run.yaml:3: toString, which is no option of lora'],
    [
      'a long value',
      `${minimal}dtype: ${'x'.repeat(1000)}`,
      `run.yaml:3: dtype is "${'x'.repeat(198)}…; expected auto`,
    ],
  ])('%s', (_, text, message) => {
    expect(errorOf(() => read(text)).slice(0, message.length)).toBe(message)
  })

  test('an alias of something is what it stands for', () => {
    expect(read(`${minimal}output_dir: &name runs/x\nadapter: *name`)).toMatchObject({ adapter: 'runs/x' })
  })

  test.each([
    ['threads: 40000', 'threads is 40000; expected a number up to 1024.'],
    ['max_length: 1e12', 'max_length is 1000000000000; expected a number up to 16777216.'],
    ['lora: { r: 100000000 }', 'lora.r is 100000000; expected a number up to 65536.'],
    ['lora: { r: 9e99 }', 'lora.r is 9e+99; expected a number up to 65536.'],
    [
      'lora: { rank_pattern: { q_proj: 65537 } }',
      'lora.rank_pattern.q_proj is 65537; expected a number up to 65536.',
    ],
    ['seed: 1.5', 'seed is 1.5; expected a whole number.'],
    ['seed: .nan', 'seed is NaN; expected a number.'],
    [
      'per_device_train_batch_size: 1e9',
      'per_device_train_batch_size is 1000000000; expected a number up to 1048576.',
    ],
    ['num_train_epochs: .inf', 'num_train_epochs is Infinity; expected a number.'],
    ['max_steps: 1e12', 'max_steps is 1000000000000; expected a number up to 1000000000.'],
  ])('a limit: %s', (line, message) => {
    expect(errorOf(() => read(`${minimal}${line}`))).toBe(`run.yaml:3: ${message}`)
  })

  test('broken YAML is placed too', () => {
    expect(errorOf(() => read('model: [m\ndata: x'))).toMatch(/^run\.yaml:\d: not YAML: /)
  })
})

describe('flags', () => {
  test.each([
    ['lists of numbers', { loraTrainableTokenIndices: ['1,2'] }, { trainableTokenIndices: [1, 2] }],
    [
      'a block without spaces, as JSON and Python have it',
      { loraRankPattern: '{q_proj:4,v_proj:8}' },
      { rankPattern: { q_proj: 4, v_proj: 8 } },
    ],
    ['a block with spaces', { loraRankPattern: '{q_proj: 4}' }, { rankPattern: { q_proj: 4 } }],
  ])('%s', (_, flags, lora) => {
    expect(readRunOptions([flagLayer({ model: 'm', data: ['a.jsonl'], ...flags })]).lora).toMatchObject(lora)
  })

  test('override the file', () => {
    const options = read(`${minimal}learning_rate: 1e-4\nlora: { r: 4, lora_alpha: 5 }`, {
      learningRate: 3e-4,
      loraR: 9,
      packing: false,
      data: ['a.jsonl', 'b.jsonl'],
      loraTargetModules: 'q_proj, v_proj',
      accept: 'no-stop',
      quantization: 'nf4',
      resumeFromCheckpoint: 'true',
    })
    expect(options).toMatchObject({
      learningRate: 3e-4,
      lora: { r: 9, loraAlpha: 5, targetModules: ['q_proj', 'v_proj'] },
      packing: false,
      data: [{ path: 'a.jsonl' }, { path: 'b.jsonl' }],
      accept: ['no-stop'],
      quantization: 'nf4',
      resumeFromCheckpoint: true,
    })
  })

  test('alone are enough', () => {
    expect(readRunOptions([flagLayer({ model: 'm', data: ['a.jsonl'], lora: 'null' })])).toMatchObject({
      lora: null,
    })
  })

  test('say what is missing', () => {
    expect(errorOf(() => readRunOptions([flagLayer({ data: 'a.jsonl' })]))).toBe(
      'flags: no model; expected model: Hugging Face folder or .gguf file.',
    )
  })

  test('there is one for every option, each with a description', () => {
    const flags = optionFlags()
    expect(flags.filter(({ description }) => description === '')).toEqual([])
    expect(new Set(flags.map(({ name }) => name)).size).toBe(flags.length)
    expect(flags.find(({ name }) => name === 'loraAlpha')).toMatchObject({
      key: 'lora.lora_alpha',
      type: 'number',
      default: 32,
    })
    expect(flags.filter(({ required }) => required).map(({ name }) => name)).toEqual(['model', 'data'])
  })
})

test('the API checks the same way', () => {
  expect(readTrainOptions({ data: ['a.jsonl'], lora: { r: 4 } })).toMatchObject({
    lora: { r: 4, loraAlpha: 32 },
  })
  expect(errorOf(() => readTrainOptions({ data: ['a.jsonl'], maxLength: 1.5 }))).toBe(
    'maxLength: maxLength is 1.5; expected a whole number.',
  )
  const rows = [{ text: 'a' }]
  expect(readTrainOptions({ data: [{ rows }] }).data).toEqual([{ rows, name: undefined, format: 'auto' }])
})

test('options become a mask policy and a LoRA configuration', () => {
  const options = readTrainOptions({
    data: ['a'],
    learn: 'last',
    learnThinking: false,
    learnHeader: true,
    accept: ['inferred'],
  })
  expect(maskPolicyOf(options)).toEqual({
    learn: 'last',
    trainOnInput: false,
    thinking: false,
    includeHeader: true,
    includeTrailingNewline: false,
    toolCalls: true,
    accept: ['inferred'],
  })
  expect(options.lora && loraOptions(options.lora)).not.toHaveProperty('modulesToSave')
})

test('the JSON Schema has the names of files', () => {
  const schema = JSON.stringify(runFileJsonSchema())
  expect(schema).toContain('"learning_rate":{"description":')
  expect(schema).toContain('"lora_alpha"')
  expect(schema).not.toContain('loraAlpha')
  expect(schema).not.toContain('"rows"')
})

test.each<[string, string, boolean]>([
  [
    'the run file of DESIGN',
    'model: m\ndata: [{ path: a.jsonl, columns: { input: q } }]\nlora: { r: 16 }',
    true,
  ],
  ['one file without brackets', 'model: m\ndata: a.jsonl\neval_data: { path: b.jsonl }', true],
  ['no adapter', 'model: m\ndata: a.jsonl\nlora: null\nlearning_rate: 2.0e-5', true],
  ['a typing mistake', 'model: m\ndata: a.jsonl\nlearning_rat: 1', false],
  ['data without a path', 'model: m\ndata: [{ format: text }]', false],
  ['no model', 'data: a.jsonl', false],
])('the JSON Schema judges %s as fettle does', (_, text, holds) => {
  const schema = z.fromJSONSchema(runFileJsonSchema() as Parameters<typeof z.fromJSONSchema>[0])
  expect(schema.safeParse(parse(text)).success).toBe(holds)
  expect(errorOf(() => read(text)) === 'no error').toBe(holds)
})

describe('sources that are mixed', () => {
  const two = (a: string, b: string) => `model: m\ndata: [{ path: a.jsonl${a} }, { path: b.jsonl${b} }]\n`

  test('have weights, and the run says how', () => {
    const text = `${two(', weight: 3', ', weight: 1')}stopping_strategy: all_exhausted\nval_size: 0.1\ndeduplicate: true\nshuffle_buffer: 1000\n`
    expect(read(text)).toMatchObject({
      data: [{ weight: 3 }, { weight: 1 }],
      stoppingStrategy: 'all_exhausted',
      valSize: 0.1,
      deduplicate: true,
      shuffleBuffer: 1000,
    })
  })

  test('may each be a flag', () => {
    const options = read('model: m', { data: ['{ path: a.jsonl, weight: 3 }'] })
    expect(options.data).toMatchObject([{ path: 'a.jsonl', weight: 3 }])
    const both = ['{ path: a.jsonl, weight: 3 }', '{ path: b.jsonl, weight: 1 }']
    expect(read('model: m', { data: both }).data).toMatchObject([{ weight: 3 }, { weight: 1 }])
  })

  test.each([
    [
      'a weight on one of two',
      two(', weight: 3', ''),
      /^run\.yaml:2: 1 of 2 sources with a weight; expected a weight on every source, or on none\.$/,
    ],
    ['a weight of nothing', two(', weight: 0', ', weight: 1'), /data\.0\.weight is 0; expected/],
    [
      'a strategy without weights',
      `${two('', '')}stopping_strategy: all_exhausted\n`,
      /^run\.yaml:3: stopping_strategy, and no source with a weight;/,
    ],
    [
      'rows held out beside others',
      `${minimal}eval_data: [{ path: e.jsonl }]\nval_size: 0.1\n`,
      /^run\.yaml:4: val_size beside eval_data; expected one of them/,
    ],
    ['all of them held out', `${minimal}val_size: 1\n`, /val_size is 1; expected/],
    ["another tool's name", `${minimal}val_set_size: 0.1\n`, /Did you mean val_size\?$/],
    [
      'a function in a file',
      `model: m\ndata: [{ path: a.jsonl, map: f }]\n`,
      /data\.0\.map is "f"; expected a function of a row/,
    ],
  ])('are refused: %s', (_, text, message) => {
    expect(errorOf(() => read(text))).toMatch(message)
  })
})
