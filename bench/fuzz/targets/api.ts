import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fettle from '../../../src/index.ts'
import { AutoModelForCausalLM, AutoTokenizer, type Tokenizer } from '../../../src/index.ts'
import { oddArgument } from '../mutate/odd-values.ts'
import type { Random } from '../mutate/random.ts'
import type { Target } from '../target.ts'
import { demoData, fixture, tinyModel } from './seeds.ts'

/** What calls are made on; loaded anew after a call that changes it. */
interface Subject {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  folder: string
}

interface Call {
  name: string
  /** Arguments that work; one to three places in them are replaced. */
  args: () => unknown[]
  call(subject: Subject, args: never[]): unknown
}

const messages = () => [
  { role: 'user', content: 'hi' },
  { role: 'assistant', content: 'ho' },
]
const source = readFileSync(join(tinyModel, 'chat_template.jinja'), 'utf8')
const ids = () => [[1, 5, 9, 2]]
const manyTokens = 24

const calls: Call[] = [
  {
    name: 'forward',
    args: () => [
      {
        inputIds: ids(),
        attentionMask: [[1, 1, 1, 1]],
        positionIds: [[0, 1, 2, 3]],
        documentIds: [[0, 0, 1, 1]],
        labels: ids(),
      },
    ],
    call: ({ model }, args: [never]) => model.forward(...args),
  },
  {
    name: 'forward, matrix',
    args: () => [{ inputIds: { data: [1, 2, 3, 4], shape: [2, 2] } }],
    call: ({ model }, args: [never]) => model.forward(...args),
  },
  {
    name: 'gradients',
    args: () => [{ inputIds: ids(), attentionMask: [[1, 1, 1, 1]], labels: ids() }],
    call: ({ model }, args: [never]) => model.gradients(...args),
  },
  {
    name: 'generate',
    args: () => [
      { inputIds: ids(), attentionMask: [[1, 1, 1, 1]] },
      {
        maxNewTokens: 4,
        doSample: true,
        temperature: 0.7,
        topK: 5,
        topP: 0.9,
        minP: 0.1,
        repetitionPenalty: 1.1,
        seed: 3,
        stopTokenIds: [2],
      },
    ],
    call: ({ model }, [inputs, options]: [never, never]) => firstTokens(model, inputs, options),
  },
  {
    name: 'stream',
    args: () => [{ inputIds: ids() }, { maxNewTokens: 4 }],
    call: ({ model }, [inputs, options]: [never, never]) => firstTokens(model, inputs, options),
  },
  {
    name: 'encode',
    args: () => [
      'hello',
      {
        pair: 'x',
        addSpecialTokens: true,
        padding: true,
        truncation: true,
        maxLength: 4,
        padToMultipleOf: 2,
        paddingSide: 'left',
      },
    ],
    call: ({ tokenizer }, args: [never]) => tokenizer.encode(...args),
  },
  {
    name: 'encode, several',
    args: () => [['hello', 'a b'], { padding: 'longest' }],
    call: ({ tokenizer }, args: [never]) => tokenizer.encode(...args),
  },
  {
    name: 'decode',
    args: () => [[1, 2, 3], { skipSpecialTokens: true }],
    call: ({ tokenizer }, args: [never]) => tokenizer.decode(...args),
  },
  {
    name: 'applyChatTemplate',
    args: () => [messages(), { tools: [], addGenerationPrompt: true, variables: { a: 1 } }],
    call: ({ tokenizer }, args: [never]) => tokenizer.applyChatTemplate(...args),
  },
  {
    name: 'encodeChat',
    args: () => [messages(), { tools: [], policy: { learn: 'all' } }],
    call: ({ tokenizer }, args: [never]) => tokenizer.encodeChat(...args),
  },
  {
    name: 'parseChatTemplate',
    args: () => [source],
    call: (_, args: [never]) => fettle.parseChatTemplate(...args),
  },
  {
    name: 'render',
    args: () => [
      { messages: messages(), tools: [], addGenerationPrompt: true, bosToken: '<s>', eosToken: '</s>' },
    ],
    call: (_, args: [never]) => fettle.parseChatTemplate(source).render(...args),
  },
  {
    name: 'findLearnedSpans',
    args: () => [
      fettle.parseChatTemplate(source),
      { messages: messages() },
      { bosToken: '<s>', eosToken: '</s>', specialTokens: ['</s>'] },
    ],
    call: (_, args: [never, never, never]) => fettle.findLearnedSpans(...args),
  },
  {
    name: 'splitPerTurn',
    args: () => [messages()],
    call: (_, args: [never]) => fettle.splitPerTurn(...args),
  },
  {
    name: 'collatePadded',
    args: () => [
      [{ inputIds: [1, 2], labels: [1, 2] }, { inputIds: [3] }],
      { padTokenId: 0, padToMultipleOf: 4 },
    ],
    call: (_, args: [never, never]) => fettle.collatePadded(...args),
  },
  {
    name: 'ensurePadToken',
    args: () => ['auto'],
    call: async (_, [policy]: [never]) =>
      fettle.ensurePadToken(await AutoTokenizer.fromPretrained(tinyModel), policy),
  },
  {
    name: 'inspect',
    args: () => [
      [{ rows: [{ messages: messages() }], name: 'x', roles: { bot: 'assistant' } }],
      { perTurn: true, policy: {} },
    ],
    call: ({ tokenizer }, [data, options]: [never, never]) => all(fettle.inspect(data, tokenizer, options)),
  },
  {
    name: 'fromPretrained',
    args: () => [
      fixture('models/llama'),
      { dtype: 'float32', quantization: null, engine: 'native', threads: 2 },
    ],
    call: async (_, args: [never, never]) => (await AutoModelForCausalLM.fromPretrained(...args)).free(),
  },
  {
    name: 'tokenizer fromPretrained',
    args: () => [tinyModel],
    call: (_, args: [never]) => AutoTokenizer.fromPretrained(...args),
  },
  {
    name: 'addAdapter',
    args: () => [
      {
        r: 4,
        loraAlpha: 8,
        loraDropout: 0.1,
        targetModules: ['q_proj'],
        bias: 'none',
        useRslora: true,
        rankPattern: { q_proj: 2 },
      },
    ],
    call: onFreshModel((model, args: [never]) => model.addAdapter(...args)),
  },
  {
    name: 'loadAdapter',
    args: () => [fixture('models/llama/lora')],
    call: onFreshModel((model, args: [never]) => model.loadAdapter(...args)),
  },
  {
    name: 'resizeTokenEmbeddings',
    args: () => [330, { padToMultipleOf: 8 }],
    call: onFreshModel((model, args: [never]) => model.resizeTokenEmbeddings(...args)),
  },
  {
    name: 'trainSft',
    args: () => [
      {
        data: [demoData],
        maxSteps: 1,
        maxLength: 32,
        perDeviceTrainBatchSize: 1,
        lora: { r: 2 },
        learningRate: 1e-4,
        warmupRatio: 0.1,
        packing: true,
        seed: 1,
        saveSteps: 10,
      },
    ],
    call: async ({ folder }, [options]: [never]) => {
      const model = await AutoModelForCausalLM.fromPretrained(tinyModel)
      try {
        const tokenizer = await AutoTokenizer.fromPretrained(tinyModel)
        const input = {
          ...(options as object),
          model,
          tokenizer,
          outputDir: join(folder, `run-${Math.floor(performance.now() * 1000)}`),
        }
        for await (const event of fettle.trainSft(input as never)) if (event.type === 'step') break
      } finally {
        await model.free()
      }
    },
  },
]

function onFreshModel<Args extends unknown[]>(call: (model: AutoModelForCausalLM, args: Args) => unknown) {
  return async (_: Subject, args: Args) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('models/llama'), { dtype: 'float32' })
    try {
      await call(model, args)
    } finally {
      await model.free()
    }
  }
}

/** The first tokens of a stream: what asks for a million tokens is right to take its time. */
async function firstTokens(model: AutoModelForCausalLM, inputs: never, options: never): Promise<number[]> {
  const tokens: number[] = []
  for await (const { tokenIds } of model.stream(inputs, options)) {
    tokens.push(...tokenIds)
    if (tokens.length >= manyTokens) break
  }
  return tokens
}

async function all(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _ of items) count += 1
  return count
}

/** Replaces one to three places in the arguments by what a caller without types may pass. */
function withOddPlaces(random: Random, args: unknown[]): unknown[] {
  const given = args.length
  for (let count = 1 + random.below(3); count > 0; count -= 1) {
    let holder: Record<string, unknown> = args as never
    for (;;) {
      const keys = Object.keys(holder)
      if (keys.length === 0) break
      const key =
        random.next() < 0.05 ? random.of(['use_newthing', 'length', '0', 'constructor']) : random.of(keys)
      const value = holder[key]
      const isHolder = value !== null && typeof value === 'object' && Object.isExtensible(value)
      if (isHolder && random.next() < 0.8) {
        holder = value as Record<string, unknown>
        continue
      }
      try {
        if (random.next() < 0.1) delete holder[key]
        else holder[key] = oddArgument(random)
      } catch {
        // A read-only place of a typed array or a frozen object.
      }
      break
    }
  }
  // Nobody passes a billion arguments.
  return Array.from({ length: given }, (_, i) => args[i])
}

export const api: Target = {
  name: 'api',
  async open(folder) {
    const subject: Subject = {
      model: await AutoModelForCausalLM.fromPretrained(fixture('models/llama'), { dtype: 'float32' }),
      tokenizer: await AutoTokenizer.fromPretrained(tinyModel),
      folder,
    }
    return {
      async run(random) {
        const { name, args, call } = random.of(calls)
        await call(subject, withOddPlaces(random, args()) as never[])
        return name
      },
    }
  },
}
