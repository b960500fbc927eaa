// The native engine: C++ kernels behind Node-API, chosen for this processor at run time.
// This folder finds the addon (binding), turns programs into numbers (program-code) and wraps both as an Engine.
// The kernels and their runner are in native/.
import type { EngineEntry } from '../engine.ts'
import { nativeProblem } from './binding.ts'
import { createNativeEngine } from './native-engine.ts'

export type { MachinePeaks } from './binding.ts'
export { nativeAddon, nativeIsas, nativeProblem } from './binding.ts'
export { createNativeEngine } from './native-engine.ts'

/** Can run where the addon was built. */
export const nativeEngine: EngineEntry = {
  problem: async () => nativeProblem(),
  create: async (options) => createNativeEngine(options),
}
