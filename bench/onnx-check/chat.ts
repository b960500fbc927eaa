import { existsSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, basename, join } from 'node:path'
import { exportModel } from '../../src/export/index.ts'
import { storages, type StorageName } from '../../src/export/onnx/storage.ts'
import { AutoModelForCausalLM, AutoTokenizer } from '../../src/index.ts'
import { trainAdapter } from '../trained-adapter.ts'
import type { Runtimes } from './runtimes.ts'

/** What is asked. */
export const questions = [
  'What is the capital of France?',
  'How do I sort an array of numbers in JavaScript?',
  'Write one sentence about the sea.',
]

/** A real model, a short run on it, and the folder that both become. */
export interface ChatPaths {
  model: string
  data: string
  out: string
  steps: number
  /** Whether what a former check trained and exported is taken. */
  isReused: boolean
}

export interface ChatResult {
  type: StorageName
  bytes: number
  /** How many of the answers are fettle's, and where they part, in characters. */
  equal: number
  answers: { question: string; fettle: string; transformers: string }[]
}

const newTokens = 40

/** fettle's own answers, in float32. */
export async function answersOfFettle(model: string, adapter: string): Promise<string[]> {
  await using loaded = await AutoModelForCausalLM.fromPretrained(model, { dtype: 'float32' })
  await loaded.loadAdapter(adapter)
  const tokenizer = await AutoTokenizer.fromPretrained(model)
  const answers: string[] = []
  for (const content of questions) {
    const prompt = tokenizer.applyChatTemplate([{ role: 'user', content }], { addGenerationPrompt: true })
    const { inputIds } = await tokenizer.encode(prompt, { addSpecialTokens: false })
    const [tokens] = await loaded.generate(
      { inputIds: [inputIds] },
      { maxNewTokens: newTokens, doSample: false },
    )
    answers.push(tokenizer.decode(tokens, { skipSpecialTokens: true }))
  }
  return answers
}

/** One export of several types, and what Transformers.js answers with each. */
export async function checkChat(
  { transformers }: Runtimes,
  paths: ChatPaths,
  types: readonly StorageName[],
): Promise<ChatResult[]> {
  const output = join(paths.out, 'onnx-model')
  const adapter = join(paths.out, 'adapter')
  if (!paths.isReused || !existsSync(join(adapter, 'adapter_model.safetensors')))
    await trainAdapter({ model: paths.model, data: paths.data, output: adapter, steps: paths.steps })
  if (!paths.isReused || !existsSync(output)) {
    await rm(output, { recursive: true, force: true })
    await exportModel({ model: paths.model, adapter, format: 'onnx', type: types, output })
  }
  const expected = await answersOfFettle(paths.model, adapter)
  const env = transformers['env'] as { allowRemoteModels: boolean; localModelPath: string }
  env.allowRemoteModels = false
  env.localModelPath = dirname(output)
  const results: ChatResult[] = []
  for (const type of types) {
    const pipeline = transformers['pipeline'] as Pipeline
    const generator = await pipeline('text-generation', basename(output), {
      dtype: storages[type].dtype,
      device: 'cpu',
    })
    const answers: ChatResult['answers'] = []
    for (const [i, content] of questions.entries()) {
      const [{ generated_text: messages }] = await generator([{ role: 'user', content }], {
        max_new_tokens: newTokens,
        do_sample: false,
      })
      answers.push({ question: content, fettle: expected[i], transformers: messages.at(-1)?.content ?? '' })
    }
    await generator.dispose()
    results.push({
      type,
      bytes: statSync(join(output, 'onnx', storages[type].file)).size,
      equal: answers.filter((answer) => answer.fettle.trim() === answer.transformers.trim()).length,
      answers,
    })
  }
  return results
}

type Pipeline = (
  task: string,
  model: string,
  options: { dtype: string; device: string },
) => Promise<{
  (
    messages: readonly { role: string; content: string }[],
    options: Record<string, unknown>,
  ): Promise<{ generated_text: { role: string; content: string }[] }[]>
  dispose(): Promise<void>
}>
