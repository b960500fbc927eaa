// The native engine: C++ kernels behind Node-API, chosen for this processor at run time.
// This folder finds the addon (binding) and makes an Engine of it, with what kernels/ has for all engines of C++ kernels.
// The kernels and their runner are in native/.
import type { Problem } from '../../error.ts'
import type { EngineEntry } from '../engine.ts'
import { changedSince, findNative, nativeAddon, nativeCure, nativeProblem } from './binding.ts'
import { createNativeEngine } from './native-engine.ts'

export type { LoadedAddon, MachinePeaks, MissingAddon } from './binding.ts'
export { beforeMemoryIsTaken } from './memory-taken.ts'
export { changedSince, findNative, nativeAddon, nativeIsas, nativeProblem } from './binding.ts'
export { hashOf, machineName } from './find-addon.ts'
export { processorLimit } from './processors.ts'
export { createNativeEngine } from './native-engine.ts'

/**
 * Gives memory back to the system that this process holds from starting and from reading data: free memory of the C library's heap,
 * and pages of programs, which are mapped again when they are touched. For a process of its own, such as the command line; does
 * nothing without the addon.
 */
export async function returnIdleMemory(): Promise<void> {
  const addon = nativeAddon()
  if (typeof addon !== 'string') await addon.returnIdleMemory()
}

/** Can run where a package brought the addon, or it was built. */
export const nativeEngine: EngineEntry = {
  problem: async () => nativeProblem(),
  cure: () => nativeCure(),
  notice: () => oldAddon(),
  create: async (options) => createNativeEngine(options),
}

/** What a clone is told whose kernels changed after they were built. */
function oldAddon(): Problem | undefined {
  const native = findNative()
  const changed = 'addon' in native ? changedSince(native) : undefined
  if (changed === undefined) return undefined
  return {
    place: 'engine',
    found: `native, built before ${changed} changed`,
    cure: '`npm run build:native` builds it anew.',
  }
}
