import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LoadOptions } from '../src/model/index.ts'
import { AutoModelForCausalLM } from '../src/model/index.ts'
import { AutoTokenizer } from '../src/tokenizer/index.ts'
import { trainSft } from '../src/train/index.ts'
import { table } from './table.ts'

/*
 * What it costs in accuracy to hold weights in 8 and 4 bits and to round activations: the loss over held-out conversations
 * before and after a short LoRA run of the same data and seeds, and logits and LoRA gradients of one trained adapter against
 * float32.
 */

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    steps: { type: 'string', default: '60' },
    'held-out': { type: 'string', default: '100' },
    only: { type: 'string', multiple: true },
  },
})
if (values.model === undefined || values.data === undefined)
  throw new Error('--model: not given; expected the folders of a model and, with --data, a .jsonl file')

const ways: Readonly<Record<string, LoadOptions>> = {
  float32: { dtype: 'float32' },
  bfloat16: { dtype: 'bfloat16' },
  int8: { dtype: 'bfloat16', quantization: 'int8' },
  'int8-products': { dtype: 'bfloat16', quantization: 'int8', activationQuantization: 'int8' },
  nf4: { dtype: 'bfloat16', quantization: 'nf4' },
}
/** Conversations whose logits and gradients are compared. */
const compared = 6
const scratch = await mkdtemp(join(tmpdir(), 'fettle-accuracy-'))
const lines = (await readFile(values.data, 'utf8')).trim().split('\n')
const heldOut = Number(values['held-out'])
const [trainFile, evalFile] = [join(scratch, 'train.jsonl'), join(scratch, 'eval.jsonl')]
await writeFile(trainFile, lines.slice(0, -heldOut).join('\n'))
await writeFile(evalFile, lines.slice(-heldOut).join('\n'))
const tokenizer = await AutoTokenizer.fromPretrained(values.model)
const examples = await Promise.all(
  lines.slice(-compared).map(async (line) => {
    const { messages } = JSON.parse(line) as { messages: { role: string; content: string }[] }
    const { inputIds, mask } = await tokenizer.encodeChat(messages)
    return { inputIds, labels: inputIds.map((id, i) => (mask[i] ? id : -100)) }
  }),
)

const trained: string[][] = []
const folders = new Map<string, string>()
const chosen = Object.entries(ways).filter(([name]) => values.only?.includes(name) ?? true)
for (const [name, options] of chosen) {
  if (name === 'float32') continue
  const model = await AutoModelForCausalLM.fromPretrained(values.model, options)
  const outputDir = join(scratch, name)
  const steps = Number(values.steps)
  const losses: number[] = []
  const evaluations: number[] = []
  const run = trainSft({
    model,
    tokenizer,
    data: [trainFile],
    evalData: [evalFile],
    outputDir,
    lora: { r: 16, loraAlpha: 32, targetModules: 'all-linear' },
    maxLength: 512,
    perDeviceTrainBatchSize: 2,
    maxSteps: steps,
    evalSteps: steps,
    learningRate: 2e-4,
    saveSteps: 0,
    seed: 1,
  })
  for await (const event of run) {
    if (event.type === 'step') losses.push(event.loss)
    if (event.type === 'eval') evaluations.push(event.loss)
  }
  folders.set(name, outputDir)
  const last = losses.slice(-20)
  const mean = last.reduce((sum, loss) => sum + loss, 0) / last.length
  trained.push([name, ...evaluations.map((loss) => loss.toFixed(4)), mean.toFixed(4)])
}
console.log(table(['', 'held-out loss', `after ${values.steps} steps`, 'training loss, last 20'], trained))

interface Measured {
  logits: Float32Array
  gradients: Float32Array
}
let exact: Measured | undefined
const errors: string[][] = []
for (const [name, options] of chosen) {
  const model = await AutoModelForCausalLM.fromPretrained(values.model, options)
  await model.loadAdapter(folders.get('bfloat16') ?? [...folders.values()][0])
  const logits: Float32Array[] = []
  const gradients: Float32Array[] = []
  for (const { inputIds, labels } of examples) {
    logits.push((await model.forward({ inputIds: [inputIds] })).logits.data)
    const found = await model.gradients({ inputIds: [inputIds], labels: [labels] })
    for (const { data } of found.values()) gradients.push(data)
  }
  const measured = { logits: joined(logits), gradients: joined(gradients) }
  exact ??= measured
  errors.push([
    name,
    difference(measured.logits, exact.logits).rms.toFixed(3),
    `${(100 * sameBest(measured.logits, exact.logits, model.vocabSize)).toFixed(1)}%`,
    difference(measured.gradients, exact.gradients).cosine.toFixed(4),
    difference(measured.gradients, exact.gradients).relative.toFixed(3),
  ])
}
console.log(`\nAgainst ${errors[0][0]}, one adapter for all:`)
console.log(table(['', 'logits, rms', 'same best token', 'gradient, cosine', 'difference / norm'], errors))
await rm(scratch, { recursive: true })

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function difference(a: Float32Array, b: Float32Array): { rms: number; relative: number; cosine: number } {
  let [squares, aa, bb, ab] = [0, 0, 0, 0]
  for (let i = 0; i < a.length; i += 1) {
    squares += (a[i] - b[i]) ** 2
    aa += a[i] ** 2
    bb += b[i] ** 2
    ab += a[i] * b[i]
  }
  return {
    rms: Math.sqrt(squares / a.length),
    relative: Math.sqrt(squares / bb),
    cosine: ab / Math.sqrt(aa * bb),
  }
}

/** Share of rows [rows, width] whose largest value stands at the same place. */
function sameBest(a: Float32Array, b: Float32Array, width: number): number {
  const best = (values: Float32Array, row: number) => {
    const part = values.subarray(row * width, (row + 1) * width)
    return part.indexOf(part.reduce((largest, value) => Math.max(largest, value), -Infinity))
  }
  const rows = a.length / width
  return Array.from({ length: rows }, (_, row) => best(a, row) === best(b, row)).filter(Boolean).length / rows
}
