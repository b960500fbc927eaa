import { join } from 'node:path'
import { defineConfig } from 'tsdown'

/** Measuring programs that import src/, built into build/bench: `npx tsdown -c bench/tsdown.config.mjs`. */
const programs = {
  entry: {
    interop: 'interop.ts',
    'real-run': 'real-run.ts',
    'chat-throughput': 'chat-throughput.ts',
    'jinja-fuzz': 'jinja-fuzz.ts',
    'random-model': 'random-model.ts',
    remote: 'remote.ts',
    'remote-gpu': 'remote-gpu.ts',
    'model-table': 'model-table.ts',
    'onnx-check': 'onnx-check.ts',
    'odd-models': 'odd-models.ts',
    'eva-speed': 'eva-speed.ts',
    'export-check': 'export-check.ts',
    'certificate-check': 'certificate-check.ts',
    fuzz: 'fuzz.ts',
    kill: 'kill.ts',
    'dpo-speed': 'dpo-speed.ts',
    trackers: 'trackers.ts',
    busy: 'busy.ts',
    'fuzz-worker': 'fuzz/worker.ts',
    'quantization-accuracy': 'quantization-accuracy.ts',
    'quantization-loss': 'quantization-loss.ts',
    tokenizers: 'tokenizers.ts',
    'tokenizer-speed': 'tokenizer-speed.ts',
    'prepare-speed': 'prepare-speed.ts',
    'prepare-big': 'prepare-big.ts',
    'prepare-kill': 'prepare-kill.ts',
    packages: 'packages.ts',
    elsewhere: 'elsewhere.ts',
    compilers: 'compilers.ts',
    'kernel-times': 'compilers/kernel-times.ts',
    runtimes: 'runtimes.ts',
    wasm: 'wasm.ts',
    browser: 'browser.ts',
    'encoding-worker': '../src/data/workers/encoding-worker.ts',
  },
  outDir: '../build/bench',
  // Node's own code of another language, which nothing can bundle; its types are ours.
  external: ['tokenizers', 'playwright-core', 'axe-core'],
  format: 'esm',
  platform: 'node',
  target: 'node20',
  dts: false,
  clean: true,
}

/** The op tests, in a folder of their own that is copied to where they run. */
const opTests = {
  ...programs,
  entry: { 'op-tests': 'op-tests.ts' },
  outDir: '../build/op-tests',
  alias: { vitest: join(import.meta.dirname, 'op-tests', 'vitest-stand-in.ts') },
}

export default defineConfig([programs, opTests])
