// The WebAssembly engine: the kernels of native/ as one file for every host, with 128-bit vectors, and threads where the host
// lets workers share memory. This folder finds the file (module), makes instances and threads (border, threads, host) and an
// Engine of them (wasm-runner), with what kernels/ has for all engines of C++ kernels. native/wasm/ has the other side.
import type { EngineEntry } from '../engine.ts'
import { wasmProblem } from './module.ts'
import { createWasmEngine } from './wasm-engine.ts'

export { setWasmSource, wasmIsa, wasmModule } from './module.ts'
export type { WasmModule } from './module.ts'
export { engineOfModule } from './wasm-engine.ts'
export { threadsProblem } from './threads.ts'

/** Can run wherever WebAssembly knows 128-bit vectors and the package's file is. */
export const wasmEngine: EngineEntry = {
  problem: async () => wasmProblem(),
  create: createWasmEngine,
}
