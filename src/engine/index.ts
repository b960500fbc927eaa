// The engine: an op table, a tape that differentiates it, and implementations that run programs, by name in the registry.
// reference/ is the specification in TypeScript; native/ calls the C++ kernels of the folder native/.
// Nothing here knows of models: model/ records ops, this room computes them.
export { dynamicMap } from './dynamic-map.ts'
export { isBlockType, rowBytes } from './block-types.ts'
export { mostThreads } from './thread-count.ts'
export type { Engine } from './engine.ts'
export { activations, infoOf } from './ops.ts'
export type { Activation, Command } from './ops.ts'
export { chooseEngine, createEngine, engineNames, engineProblem } from './registry.ts'
export type { EngineName } from './registry.ts'
export type { ActivationQuantization, Quantization } from './quantization.ts'
export {
  activationQuantizations,
  blockMaxima,
  codesOfBlocks,
  fourBitBlock,
  fourBitNumbers,
  quantizations,
  roundThrough,
} from './quantization.ts'
export { backward, createTape, flattenAttributes } from './tape.ts'
export { bytesPerElement, elementCount, isBlockPart, rowsOf, tensorHandle } from './tensor.ts'
export type { DType, Tensor, TensorData } from './tensor.ts'
export { readQuantized, readWeight } from './weight-values.ts'
