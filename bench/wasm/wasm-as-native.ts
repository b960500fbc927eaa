import { basename } from 'node:path'
import type { Engine, EngineEntry } from '../../src/engine/engine.ts'
import { engineOfModule, wasmEngine, wasmModule } from '../../src/engine/wasm/index.ts'

// What src/engine/native/index.ts exports, with the WebAssembly engine behind it: tests of the native engine test it so.
const module = await wasmModule(true)

export const nativeIsas = (): string[] => [module.isa]
export const nativeProblem = (): string | undefined => undefined
export const nativeAddon = (): string => 'WebAssembly is tested in its place'
export const addonPath = (): string => basename(import.meta.filename)
export const beforeMemoryIsTaken = (): void => {}
export const returnIdleMemory = async (): Promise<void> => {}

/** The WebAssembly engine under the name of the native one. */
export function createNativeEngine({ threads = 2 }: { threads?: number } = {}): Engine {
  return { ...engineOfModule(module, threads), name: 'native' }
}

export const nativeEngine: EngineEntry = {
  problem: wasmEngine.problem,
  create: async (options) => ({ ...(await wasmEngine.create(options)), name: 'native' }),
}
