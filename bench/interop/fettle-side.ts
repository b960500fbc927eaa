import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AutoModelForCausalLM, AutoTokenizer, trainSft } from '../../src/index.ts'
import { dumpRows } from './rows.ts'
import type { InteropPaths } from './setting.ts'
import { runOptions } from './setting.ts'

/** What both sides report of a step. */
export interface ComparedStep {
  loss: number
  grad_norm: number
  learning_rate: number
}

/** Writes rows and initial adapter, trains in float32 on the native engine, and returns the steps. */
export async function trainFettle(
  paths: InteropPaths,
): Promise<(ComparedStep & { learned_tokens: number })[]> {
  await mkdir(paths.out, { recursive: true })
  const tokenizer = await AutoTokenizer.fromPretrained(paths.tokenizer)
  const model = await AutoModelForCausalLM.fromPretrained(paths.model, { dtype: 'float32', engine: 'native' })
  const options = runOptions(paths)
  const rows = await dumpRows(paths, model, tokenizer)
  await model.addAdapter(options.lora, options.seed)
  await model.saveAdapter(paths.initial)
  const steps: (ComparedStep & { learned_tokens: number })[] = []
  for await (const event of trainSft({ model, tokenizer, ...options })) {
    if (event.type !== 'step') continue
    const { loss, grad_norm, learning_rate, learned_tokens } = event
    if (learned_tokens !== rows[steps.length].learned_tokens)
      throw new Error('the rows are not those of the run')
    steps.push({ loss, grad_norm, learning_rate, learned_tokens })
  }
  return steps
}

/** Conversations at the end of the file, which the six steps above hardly touch, and tokens of each that are compared. */
const compared = { documents: 8, tokens: 96 }

/** fettle's logits of the last conversations with this adapter on, in a file for each compute type. */
export async function writeLogits(paths: InteropPaths, adapter: string) {
  const tokenizer = await AutoTokenizer.fromPretrained(paths.tokenizer)
  const lines = (await readFile(paths.data, 'utf8')).trim().split('\n').slice(-compared.documents)
  const documents: number[][] = []
  for (const line of lines) {
    const { messages } = JSON.parse(line) as { messages: { role: string; content: string }[] }
    const { inputIds } = await tokenizer.encode(tokenizer.applyChatTemplate(messages), {
      addSpecialTokens: false,
    })
    documents.push([...inputIds].slice(0, compared.tokens))
  }
  const files = {
    documents: join(paths.out, 'documents.json'),
    float32: join(paths.out, 'logits.float32.bin'),
    bfloat16: join(paths.out, 'logits.bfloat16.bin'),
  }
  await writeFile(files.documents, JSON.stringify(documents))
  for (const dtype of ['float32', 'bfloat16'] as const) {
    const model = await AutoModelForCausalLM.fromPretrained(paths.model, { dtype, engine: 'native' })
    await model.loadAdapter(adapter)
    const logits: Float32Array[] = []
    for (const ids of documents) logits.push((await model.forward({ inputIds: [ids] })).logits.data)
    await writeFile(files[dtype], Buffer.concat(logits.map((data) => new Uint8Array(data.buffer))))
  }
  return files
}
