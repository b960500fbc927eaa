/**
 * The reference engine: every op in plain TypeScript, readable beside the formula of its paper. It is the
 * specification that the native kernels are tested against, and it runs where nothing can be compiled.
 */
import type { EngineEntry } from '../engine.ts'
import { createReferenceEngine } from './engine.ts'

export { createReferenceEngine } from './engine.ts'

/** Can run everywhere; threads do nothing, there is always one. */
export const referenceEngine: EngineEntry = {
  problem: async () => undefined,
  create: async () => createReferenceEngine(),
}
