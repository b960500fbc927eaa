// What the engines of C++ kernels have in common: programs as numbers (program-code), and the Engine over whoever runs them
// (kernel-engine). native/ and wasm/ bring the runner. Knows nothing of Node.
export { createKernelEngine } from './kernel-engine.ts'
export { typeNames } from './program-code.ts'
export type { KernelRunner, RunnerPart, ProgramHandle } from './runner.ts'
