/**
 * The reference engine: every op in plain TypeScript, readable beside the formula of its paper. It is the
 * specification that the native kernels are tested against, and it runs where nothing can be compiled.
 */
export { createReferenceEngine } from './engine.ts'
