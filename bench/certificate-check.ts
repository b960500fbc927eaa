// The certificates of all formats, each in the runtime that it is for: see bench/README.md.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { certificateRows } from '../src/export/certificate/certificate-rows.ts'
import { boundOf, judge, type CertifiedForm } from '../src/export/certificate/certificate.ts'
import { compareForms } from '../src/export/certificate/certify.ts'
import { speechOf } from '../src/export/certificate/own-speech.ts'
import { pythonRunner } from '../src/export/certificate/python-runner.ts'
import type { ExportFormatName } from '../src/export/index.ts'
import { openSource } from '../src/export/open-source.ts'
import { exportModel, FettleError } from '../src/index.ts'
import { table } from './table.ts'
import { trainAdapter } from './trained-adapter.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    /** A Python with mlx-lm (`mlx[cpu]`), llama-cpp-python, Transformers and PEFT. */
    python: { type: 'string' },
    model: { type: 'string' },
    data: { type: 'string' },
    out: { type: 'string', default: 'runs/certificate-check' },
    /** Where npm brings onnxruntime-node and node-llama-cpp to. */
    runtimes: { type: 'string', default: 'build/certificate-runtimes' },
    steps: { type: 'string', default: '60' },
    /** Rows of each. */
    rows: { type: 'string', default: '8' },
    /** Of the runtimes; on a busy machine 1 is the fastest. */
    threads: { type: 'string' },
    /** Formats, or `format:type`; peft, transformers. */
    only: { type: 'string' },
  },
})
const { peers } = values
const [model, data] = [values.model ?? join(peers, 'smollm2'), values.data ?? join(peers, 'docs.jsonl')].map(
  (path) => resolve(path),
)
const python = resolve(values.python ?? join(peers, 'venv', 'bin', 'python'))
const [out, runtimes] = [resolve(values.out), resolve(values.runtimes)]
const adapter = join(out, 'trained')

const threads = values.threads === undefined ? {} : { threads: Number(values.threads) }
const rowCount = Number(values.rows)
const isWanted = (name: string, type?: string): boolean => {
  const wanted = values.only?.split(',') ?? [name]
  return wanted.includes(name) || wanted.includes(`${name}:${type}`)
}

const exports: [ExportFormatName, string][] = [
  ['safetensors', 'float32'],
  ['safetensors', 'bfloat16'],
  ['gguf', 'f32'],
  ['gguf', 'f16'],
  ['gguf', 'q8_0'],
  ['gguf', 'q4_k'],
  ['gguf-lora', 'f32'],
  ['ollama', 'q8_0'],
  ['mlx', 'float32'],
  ['mlx-lora', 'float32'],
  ['onnx', 'f32'],
  ['onnx', 'f16'],
  ['onnx', 'q8'],
  ['onnx', 'q4'],
  ['onnx', 'q4f16'],
]
/** Runs of Python alone: what PEFT and Transformers say. */
const others = ['peft', 'transformers']

await mkdir(runtimes, { recursive: true })
if (!existsSync(join(runtimes, 'node_modules', 'node-llama-cpp')))
  execFileSync(
    'npm',
    [
      'install',
      '--prefix',
      runtimes,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      'onnxruntime-node@1.30',
      'node-llama-cpp@3.21.1',
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
if (!existsSync(join(adapter, 'adapter_model.safetensors')))
  await trainAdapter({ model, data, output: adapter, steps: Number(values.steps) })
// Runtimes are those of the project where fettle runs.
process.chdir(runtimes)

const heads = [
  'format',
  'type',
  'verdict',
  'runtime',
  'prompts',
  'answers',
  'stopped',
  'KL',
  'likeliest',
  'logits',
]
const rows: string[][] = []
let failed = false
const tell = (
  name: string,
  { type, verdict, runtime, rows: asked, problems, ...form }: CertifiedForm,
): void => {
  failed ||= verdict !== 'passed'
  const stopped = (side: 'live' | 'exported') => asked.filter((row) => row[side].stop === 'stop').length
  rows.push([
    name,
    type,
    verdict,
    runtime === null
      ? (form.note ?? '')
      : `${runtime.name} ${runtime.version}${runtime.isTarget ? '' : ', read back'}`,
    `${form.same_prompts}/${asked.length}`,
    `${form.same_answers}/${asked.length}`,
    `${stopped('live')}, ${stopped('exported')}`,
    form.kl?.toExponential(1) ?? '',
    `${((form.agreement ?? 0) * 100).toFixed(1)}%`,
    Math.max(...asked.map((row) => row.logit_difference)).toExponential(1),
  ])
  console.log(rows.at(-1)?.join(' | '))
  for (const { found, expected } of problems) console.log(`  found ${found}; expected ${expected}`)
}

for (const [format, type] of exports.filter(([format, type]) => isWanted(format, type))) {
  const isFile = format.startsWith('gguf')
  const output = join(out, `${format}-${type}`, ...(isFile ? ['model.gguf'] : []))
  try {
    const { certificate } = await exportModel({
      model,
      adapter,
      format,
      type,
      output,
      overwrite: true,
      python,
      certificateRows: rowCount,
      ...threads,
    })
    for (const form of certificate.forms) tell(format, form)
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    failed = true
    console.log(`${format} ${type}: ${error.message}`)
  }
}
if (others.some((other) => isWanted(other))) {
  const source = await openSource({ model, adapter, format: 'safetensors', output: out })
  const { prompts } = await certificateRows(source, {
    model,
    adapter,
    format: 'safetensors',
    output: out,
    certificateRows: rowCount,
  })
  const { tokenizer, stopSet } = source
  await source.model.free()
  const form = (path: string, runs: { model: string; adapter?: string }) => ({
    path,
    type: 'float32',
    async open({ capacity }: { capacity: number }) {
      const runner = await pythonRunner('transformers', { ...runs, capacity }, python)
      return runner ? { runner } : { runner: null, note: 'no PEFT' }
    },
  })
  const merged = join(out, 'safetensors-float32')
  const compared = await compareForms(
    [form(adapter, { model, adapter }), form(merged, { model: merged })],
    { model, adapter },
    {
      prompts,
      comparing: { tokenizer, newTokens: 48, signal: undefined, onRow() {} },
      speech: speechOf(tokenizer, stopSet.ids),
      endings: stopSet.ids,
    },
    { folder: out, ...threads },
  )
  for (const [i, each] of compared.entries())
    tell(i === 0 ? 'adapter' : 'safetensors', judge(each, boundOf('float32')))
}
console.log(`\n${table(heads, rows)}`)
process.exitCode = failed ? 1 : 0
