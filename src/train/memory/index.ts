// What training takes of memory: how a step is divided into passes, what there is, and passes that were found to fit it.
export { machineMemory, type MachineMemory } from './machine-memory.ts'
export { findPassSize } from './found-pass-size.ts'
export { passSize, streamedLayers, type PassSize } from './pass-size.ts'
export { peakRssMib } from './peak-memory.ts'
