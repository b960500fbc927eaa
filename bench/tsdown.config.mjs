import { defineConfig } from 'tsdown'

/** Measuring programs that import src/, built into build/bench: `npx tsdown -c bench/tsdown.config.mjs`. */
export default defineConfig({
  entry: {
    interop: 'interop.ts',
    'real-run': 'real-run.ts',
    'chat-throughput': 'chat-throughput.ts',
    'jinja-fuzz': 'jinja-fuzz.ts',
    'random-model': 'random-model.ts',
    remote: 'remote.ts',
    'model-table': 'model-table.ts',
    'onnx-check': 'onnx-check.ts',
    fuzz: 'fuzz.ts',
    kill: 'kill.ts',
    'dpo-speed': 'dpo-speed.ts',
    trackers: 'trackers.ts',
    'fuzz-worker': 'fuzz/worker.ts',
    'quantization-accuracy': 'quantization-accuracy.ts',
    'quantization-loss': 'quantization-loss.ts',
    tokenizers: 'tokenizers.ts',
    'tokenizer-speed': 'tokenizer-speed.ts',
    'prepare-speed': 'prepare-speed.ts',
    'prepare-big': 'prepare-big.ts',
    'prepare-kill': 'prepare-kill.ts',
    packages: 'packages.ts',
    runtimes: 'runtimes.ts',
    wasm: 'wasm.ts',
    'encoding-worker': '../src/data/workers/encoding-worker.ts',
  },
  outDir: '../build/bench',
  // Node's own code of another language, which nothing can bundle; its types are ours.
  external: ['tokenizers'],
  format: 'esm',
  platform: 'node',
  target: 'node20',
  dts: false,
  clean: true,
})
