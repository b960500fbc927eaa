// The WebAssembly engine: the native engine's tests on it, and its speed beside the others. See bench/README.md.
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createEngine, type EngineName } from '../src/engine/index.ts'
import { nativeIsas } from '../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../src/model/index.ts'
import { AutoTokenizer } from '../src/tokenizer/index.ts'
import { trainSft } from '../src/train/index.ts'
import { table } from './table.ts'
import { bfloat16Errors } from './wasm/bfloat16-errors.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tests: { type: 'boolean', default: false },
    speed: { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
    errors: { type: 'boolean', default: false },
    torch: { type: 'string' },
    steps: { type: 'string', default: '30' },
  },
})
const both = !values.tests && !values.speed && !values.errors
/** Tests of the addon itself, of building it and of the processor's instruction sets. */
const left = [
  'border',
  'build-native',
  'idle-memory',
  'ops-header',
  'kernel-guard',
  'registry',
  'bench',
  'counts',
]

if (values.tests || both) {
  const folders =
    positionals.length > 0 ? positionals : ['test/engine', 'test/model', 'test/generate', 'test/train']
  const args = ['vitest', 'run', '--config', 'bench/wasm/vitest.config.ts', ...folders]
  const { status } = spawnSync(
    'npx',
    [...args, ...left.flatMap((name) => ['--exclude', `**/${name}.test.ts`])],
    {
      stdio: 'inherit',
    },
  )
  if (status !== 0) process.exitCode = 1
}

if (values.speed || both) {
  const threads = Number(values.threads)
  const started = performance.now()
  const engine = await createEngine({ engine: 'wasm', threads })
  await engine.read(engine.tensor('float32', [1], Float32Array.of(1)))
  const startMs = performance.now() - started
  engine.close()
  const steps = Number(values.steps)
  const names = [`wasm ${engine.isa}`, 'wasm simd128', 'native portable', 'reference']
  const wasm = await tokensPerSecond('wasm', threads, steps)
  // Read when an engine is made.
  process.env['FETTLE_ISA'] = 'simd128'
  const plain = await tokensPerSecond('wasm', threads, steps)
  process.env['FETTLE_ISA'] = 'portable'
  const portable = nativeIsas().includes('portable')
    ? await tokensPerSecond('native', threads, steps)
    : Number.NaN
  const reference = await tokensPerSecond('reference', 1, 1)
  const speeds = [wasm, plain, portable, reference]
  console.log(
    table(
      ['', ...names],
      [
        ['the demo, tokens/s', ...speeds.map((speed) => speed.toFixed(0))],
        ['beside native portable', ...speeds.map((speed) => `${((100 * speed) / portable).toFixed(0)} %`)],
        ['beside the reference engine', ...speeds.map((speed) => `${(speed / reference).toFixed(1)} times`)],
        ['start', `${startMs.toFixed(0)} ms`, '', '', ''],
      ],
    ),
  )
}

if (values.errors) await bfloat16Errors(values.torch)

/** Of the demo's training: the median of its steps. */
async function tokensPerSecond(engine: EngineName, threads: number, steps: number): Promise<number> {
  const outputDir = await mkdtemp(join(tmpdir(), 'fettle-wasm-'))
  const tokenizer = await AutoTokenizer.fromPretrained('assets/tiny-llama')
  const model = await AutoModelForCausalLM.fromPretrained('assets/tiny-llama', { engine, threads })
  const speeds: number[] = []
  for await (const event of trainSft({
    model,
    tokenizer,
    data: ['assets/demo.jsonl'],
    outputDir,
    lora: { r: 16, loraAlpha: 32 },
    learningRate: 2e-3,
    maxSteps: steps,
    maxLength: 256,
    perDeviceTrainBatchSize: engine === 'reference' ? 1 : 4,
    evalSteps: 0,
    saveSteps: 0,
  }))
    if (event.type === 'step') speeds.push(event.tokens_per_second)
  await model.free()
  await rm(outputDir, { recursive: true })
  return speeds.toSorted((a, b) => a - b)[Math.floor(speeds.length / 2)]
}
