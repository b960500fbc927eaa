import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import type { ModelGenerateOptions } from '../../src/model/index.ts'
import { fixture } from './golden.ts'

interface Recorded {
  cases: {
    model: string
    assistant: string | null
    prompt: number[]
    options: { repetition_penalty?: number }
    tokens: number[]
  }[]
}

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/generate/guessing.json', import.meta.url), 'utf8'),
) as Recorded
const models = [...new Set(recorded.cases.map(({ model }) => model))]
const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)

describe.each(engines)('%s engine in float32', (engine) => {
  const load = (name: string) =>
    AutoModelForCausalLM.fromPretrained(fixture(name), { dtype: 'float32', engine })

  test.each(models)('%s says what it says in Transformers, guessed or not', async (name) => {
    const model = await load(name)
    const own = recorded.cases.filter((one) => one.model === name)
    for (const { prompt, options, tokens, assistant } of own) {
      const guessing = assistant
        ? { assistantModel: await load(assistant), numAssistantTokens: 3 }
        : { promptLookupNumTokens: 5 }
      const settings: ModelGenerateOptions = {
        maxNewTokens: tokens.length,
        stopTokenIds: [],
        repetitionPenalty: options.repetition_penalty ?? 1,
      }
      expect(await model.generate({ inputIds: [prompt] }, { ...settings, ...guessing })).toEqual([tokens])
      expect(await model.generate({ inputIds: [prompt] }, settings)).toEqual([tokens])
    }
  })

  test.each([
    { name: 'greedily', options: {} },
    { name: 'drawn', options: { doSample: true, seed: 4, temperature: 0.8 } },
    { name: 'drawn with a penalty', options: { doSample: true, seed: 5, repetitionPenalty: 1.3 } },
    { name: 'to a stop token', options: { stopTokenIds: [94] } },
  ])('an assistant that is always right or seldom changes nothing: $name', async ({ options }) => {
    const model = await load('llama')
    const prompt = [5, 17, 42, 9, 77, 5, 17, 42]
    const settings = { maxNewTokens: 30, stopTokenIds: [], ...options }
    const plain = await model.generate({ inputIds: [prompt] }, settings)
    for (const assistantModel of [await load('llama'), await load('qwen3')])
      for (const numAssistantTokens of [1, 4, 20])
        expect(
          await model.generate({ inputIds: [prompt] }, { ...settings, assistantModel, numAssistantTokens }),
        ).toEqual(plain)
  })
})

describe('what is refused', () => {
  const load = () => AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  const generate = async (options: ModelGenerateOptions, prompts = [[1]]) =>
    (await load()).generate({ inputIds: prompts }, options)

  test('an assistant with another vocabulary', async () => {
    const assistantModel = await load()
    await assistantModel.resizeTokenEmbeddings(130)
    await expect(generate({ assistantModel })).rejects.toThrow(
      'assistantModel: a vocabulary of 130 tokens; expected 128, as the model has',
    )
  })

  test('two ways to guess', async () => {
    const options = { assistantModel: await load(), promptLookupNumTokens: 3 }
    await expect(generate(options)).rejects.toThrow('promptLookupNumTokens as well; expected one way')
  })

  test('half a guess', async () => {
    const options = { assistantModel: await load(), numAssistantTokens: 0.5 }
    await expect(generate(options)).rejects.toThrow('numAssistantTokens: 0.5; expected a whole number from 1')
  })

  test('several prompts', async () => {
    const options = { assistantModel: await load() }
    await expect(generate(options, [[1], [2]])).rejects.toThrow('2 prompts at once; expected one prompt')
  })
})
