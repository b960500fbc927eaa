import type { Engine } from '../../src/engine/engine.ts'
import { createNativeEngine, nativeIsas } from '../../src/engine/native/index.ts'
import { createReferenceEngine } from '../../src/engine/reference/index.ts'
import { engineOfModule, wasmModule } from '../../src/engine/wasm/index.ts'

const module = await wasmModule(true)

/** The WebAssembly engine, without waiting for its file. */
export const createWasmEngineHere = (threads: number): Engine => engineOfModule(module, threads)

/** Every engine that this machine can run, with a name for the report. */
export const engines: readonly { name: string; create: (threads: number) => Engine }[] = [
  { name: 'reference', create: () => createReferenceEngine() },
  ...nativeIsas().map((isa) => ({
    name: `native ${isa}`,
    create: (threads: number) => createNativeEngine({ isa, threads }),
  })),
  { name: 'wasm', create: createWasmEngineHere },
]
