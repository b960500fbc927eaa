// The engine: an op table, a tape that differentiates it, and two implementations that run programs.
// reference/ is the specification in TypeScript; native/ calls the C++ kernels of the folder native/.
// Nothing here knows of models: model/ records ops, this room computes them.
import { FettleError } from '../error.ts'
import type { Engine } from './engine.ts'
import { createNativeEngine, nativeProblem } from './native/index.ts'
import { createReferenceEngine } from './reference/index.ts'

export type { Engine } from './engine.ts'
export type { ActivationQuantization, Quantization } from './quantization.ts'
export { activationQuantizations, quantizations } from './quantization.ts'
export { createTape } from './tape.ts'
export { elementCount } from './tensor.ts'
export type { DType, Tensor, TensorData } from './tensor.ts'
export { nativeIsas, nativeProblem } from './native/index.ts'

export type EngineName = 'native' | 'reference'

/** The engine asked for; without a name the native one where it was built, else the reference engine. */
export function createEngine(options: { engine?: EngineName; threads?: number } = {}): Engine {
  const name: string = options.engine ?? (nativeProblem() === undefined ? 'native' : 'reference')
  const threads = options.threads === undefined ? {} : { threads: options.threads }
  if (name === 'native') return createNativeEngine(threads)
  if (name === 'reference') return createReferenceEngine(threads)
  throw new FettleError({ place: 'engine', found: name, expected: 'native or reference' })
}
