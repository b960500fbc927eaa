// What llama.cpp makes of the GGUF files that fettle writes: see bench/README.md.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AutoModelForCausalLM, exportModel } from '../src/index.ts'
import { compareFamilies } from './export-check/families.ts'
import { compareOllama } from './export-check/ollama.ts'
import {
  askQuestions,
  askRows,
  compareInLlama,
  continuedByFettle,
  runPython,
  type LlamaCompared,
} from './export-check/in-llama.ts'
import { table } from './table.ts'
import { trainAdapter } from './trained-adapter.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    model: { type: 'string' },
    data: { type: 'string' },
    out: { type: 'string', default: 'runs/export-check' },
    steps: { type: 'string', default: '60' },
    /** Evaluation rows of the run that are asked beside the questions here. */
    rows: { type: 'string', default: '24' },
    /** A copy of llama.cpp: its converter and quantiser are compared byte for byte. */
    'llama-cpp': { type: 'string' },
    types: { type: 'string', default: 'f32,f16,bf16,q8_0,q4_0,q4_k,q6_k' },
    only: { type: 'string', default: 'families,trained,made,types,ollama' },
    /** Where Go builds Ollama's parser and templates. */
    ollama: { type: 'string', default: 'build/ollama-check' },
  },
})
const { peers, out } = values
const model = values.model ?? join(peers, 'smollm2')
const python = join(peers, 'venv', 'bin', 'python')
const parts = values.only.split(',')
/** Largest difference of a logit, between float32 and float32; llama.cpp's GELU is a table of float16. */
const tolerance = 1e-3
const geluTolerance = 5e-3
const hasGelu = (name: string) => /^(gemma|starcoder2|gpt2)/.test(name)
const newTokens = 80
const asked = [
  'What is a lighthouse?',
  'Name three colours.\nOne a line.',
  'Grüße aus 東京 🙂 — 3.14',
  'What does os.path.join do in Python?',
  'What does math.sqrt do in Python?',
  'What is the capital of France? Answer in one word.',
]

let failed = false
await mkdir(out, { recursive: true })

const heads = ['', 'logits apart', 'greedy', 'stopped: fettle, llama.cpp, alike', 'rendered', 'tokens', '']
const line = (name: string, compared: LlamaCompared): string[] => {
  const { difference, sameGreedy, stops, sameTexts, sameTokens } = compared
  const isStopping = stops.alike === stops.fettle && stops.alike === stops.llama
  const isNear = difference < (hasGelu(name) ? geluTolerance : tolerance)
  const isRight = isNear && sameGreedy && isStopping && sameTexts && sameTokens
  failed ||= !isRight
  const equal = (is: boolean) => (is ? 'equal' : 'other')
  return [
    name,
    difference.toExponential(1),
    equal(sameGreedy),
    [stops.fettle, stops.llama, stops.alike].join(', '),
    equal(sameTexts),
    equal(sameTokens),
    isRight ? '' : '≠',
  ]
}

if (parts.includes('families')) {
  const results = await compareFamilies(python, out)
  const rows = results.flatMap(({ model: name, base, adapted, refused }) => [
    ...(base ? [line(name, base)] : []),
    ...(adapted ? [line(`${name} with adapter`, adapted)] : []),
    ...(refused === undefined ? [] : [[name, '', '', '', '', '', refused.split('\n')[0].slice(0, 120)]]),
  ])
  console.log(table(heads, rows))
}

/** Merged, and the base with the adapter beside it, on SmolLM2. */
async function compareAdapter(name: string, adapter: string): Promise<void> {
  const all = [
    await askQuestions(model, asked, newTokens),
    await askRows(model, adapter, Number(values.rows), newTokens),
  ]
  const questions = {
    prompts: all.flatMap(({ prompts }) => prompts),
    messages: all.flatMap(({ messages }) => messages),
    texts: all.flatMap(({ texts }) => texts),
    tokens: newTokens,
  }
  const expected = await continuedByFettle({ model, adapter }, questions)
  const [base, merged, lora] = ['base-f32.gguf', `${name}-f32.gguf`, `${name}-lora.gguf`].map((file) =>
    join(out, file),
  )
  const options = { model, overwrite: true, certificateRows: 0 }
  if (!existsSync(base)) await exportModel({ ...options, format: 'gguf', type: 'f32', output: base })
  await exportModel({ ...options, adapter, format: 'gguf', type: 'f32', output: merged })
  await exportModel({ ...options, adapter, format: 'gguf-lora', type: 'f32', output: lora })
  const rows: string[][] = []
  for (const [form, files] of [
    ['merged', [merged]],
    ['base and adapter', [base, lora]],
  ] as const)
    rows.push(line(`${name}, ${form}`, await compareInLlama(python, out, questions, expected, files)))
  console.log(table(heads, rows))
}

if (parts.includes('trained')) {
  const adapter = join(out, 'trained')
  const data = values.data ?? join(peers, 'docs.jsonl')
  if (!existsSync(join(adapter, 'adapter_model.safetensors')))
    await trainAdapter({ model, data, output: adapter, steps: Number(values.steps) })
  await compareAdapter('trained', adapter)
}
if (parts.includes('made')) {
  // One with a scaling of its own kind, a pattern, and numbers in B.
  const adapter = join(out, 'made')
  const loaded = await AutoModelForCausalLM.fromPretrained(model, { dtype: 'float32' })
  await loaded.addAdapter({
    r: 8,
    loraAlpha: 2,
    useRslora: true,
    rankPattern: { down_proj: 4 },
    targetModules: 'all-linear',
    initLoraWeights: false,
  })
  await loaded.saveAdapter(adapter)
  await loaded.free()
  await compareAdapter('made', adapter)
}
if (parts.includes('types') && values['llama-cpp'] !== undefined) {
  const folder = join(out, 'types')
  await mkdir(folder, { recursive: true })
  for (const type of values.types.split(','))
    await exportModel({ model, overwrite: true, format: 'gguf', type, output: join(folder, `${type}.gguf`) })
  await runPython(python, [join('bench', 'export-check', 'compare.py'), values['llama-cpp'], model, folder])
}
if (parts.includes('ollama') && spawnSync('go', ['version']).status === 0) {
  const results = await compareOllama(values.ollama)
  const rows = results.map(({ template, named, namedOfExport, isEqual, error }) => {
    const isWrong = isEqual === false || namedOfExport !== null || error !== undefined
    failed ||= isWrong
    const written = isEqual === undefined ? 'from the file' : isEqual ? 'equal' : 'other'
    return [template, named ?? '', namedOfExport ?? '', written, isWrong ? `≠ ${error ?? ''}` : '']
  })
  console.log(table(['chat template', 'Ollama takes it for', 'as exported', 'TEMPLATE', ''], rows))
}
process.exitCode = failed ? 1 : 0
