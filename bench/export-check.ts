// What llama.cpp makes of the GGUF files that fettle writes: see bench/README.md.
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AutoModelForCausalLM, AutoTokenizer, exportModel } from '../src/index.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    model: { type: 'string' },
    out: { type: 'string', default: 'runs/export-check' },
    /** A copy of llama.cpp: its converter and quantiser are compared byte for byte. */
    'llama-cpp': { type: 'string' },
    types: { type: 'string', default: 'f32,f16,bf16,q8_0,q4_0,q4_k,q6_k' },
  },
})
const { peers, out } = values
const model = values.model ?? join(peers, 'smollm2')
const python = join(peers, 'venv', 'bin', 'python')
/** Largest difference of a logit, between float32 and float32. */
const tolerance = 1e-3
const newTokens = 12

await mkdir(out, { recursive: true })
const tokenizer = await AutoTokenizer.fromPretrained(model)
const texts = ['What is a lighthouse?', 'Name three colours.\nOne a line.', 'Grüße aus 東京 🙂 — 3.14'].map(
  (content) => tokenizer.applyChatTemplate([{ role: 'user', content }], { addGenerationPrompt: true }),
)
const prompts = await Promise.all(
  texts.map(async (text) => (await tokenizer.encode(text, { addSpecialTokens: false })).inputIds),
)

/** An adapter with a scaling of its own kind, a pattern, and numbers in B. */
const adapter = join(out, 'adapter')
const ours = await AutoModelForCausalLM.fromPretrained(model, { dtype: 'float32' })
await ours.addAdapter({
  r: 8,
  loraAlpha: 2,
  useRslora: true,
  rankPattern: { down_proj: 4 },
  targetModules: 'all-linear',
  initLoraWeights: false,
})
await ours.saveAdapter(adapter)
const stop = ours.generationConfig.eosTokenIds
const rows: { logits: number[]; greedy: number[] }[] = []
for (const inputIds of prompts) {
  const { logits } = await ours.forward({ inputIds: [inputIds] })
  const width = logits.data.length / inputIds.length
  const sequences: number[][] = await ours.generate(
    { inputIds: [inputIds] },
    { maxNewTokens: newTokens, stopTokenIds: stop },
  )
  rows.push({
    logits: Array.from(logits.data.slice(-width)),
    greedy: sequences[0].slice(0, newTokens).filter((id) => !stop.includes(id)),
  })
}
await ours.free()

const base = join(out, 'base-f32.gguf')
const merged = join(out, 'merged-f32.gguf')
const lora = join(out, 'lora.gguf')
const options = { model, overwrite: true }
await exportModel({ ...options, format: 'gguf', type: 'f32', output: base })
await exportModel({ ...options, adapter, format: 'gguf', type: 'f32', output: merged })
await exportModel({ ...options, adapter, format: 'gguf-lora', type: 'f32', output: lora })
await writeFile(join(out, 'ids.json'), JSON.stringify({ prompts, texts, stop, tokens: newTokens }))

let failed = false
for (const [name, files] of [
  ['merged', [merged]],
  ['base and adapter', [base, lora]],
] as const) {
  const answer = join(out, 'answer.json')
  await run([join('bench', 'export-check', 'llama_cpp_side.py'), join(out, 'ids.json'), answer, ...files])
  const theirs = JSON.parse(await readFile(answer, 'utf8')) as {
    rows: { logits: number[]; greedy: number[] }[]
    tokens: number[][]
  }
  const difference = theirs.rows
    .flatMap(({ logits }, i) => logits.map((logit, k) => Math.abs(logit - rows[i].logits[k])))
    .reduce((most, each) => Math.max(most, each), 0)
  const sameTokens = theirs.rows.every(
    ({ greedy }, i) => greedy.join() === rows[i].greedy.slice(0, greedy.length).join(),
  )
  const sameTexts = theirs.tokens.every((ids, i) => ids.join() === [...prompts[i]].join())
  failed ||= !(difference < tolerance && sameTokens && sameTexts)
  console.log(
    JSON.stringify({
      name,
      difference,
      sameTokens,
      sameTexts,
      greedy: theirs.rows.map(({ greedy }) => greedy.length),
    }),
  )
}
if (values['llama-cpp'] !== undefined) {
  const folder = join(out, 'types')
  await mkdir(folder, { recursive: true })
  for (const type of values.types.split(','))
    await exportModel({ ...options, format: 'gguf', type, output: join(folder, `${type}.gguf`) })
  await run([join('bench', 'export-check', 'compare.py'), values['llama-cpp'], model, folder])
}
process.exitCode = failed ? 1 : 0

async function run(args: readonly string[]): Promise<void> {
  const child = spawn(python, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw new Error(`${python} ${args.join(' ')} ended with ${String(code)}`)
}
