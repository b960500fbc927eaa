// LoRA as PEFT defines it: which modules, which rank and scaling, and its files.
// The weights themselves live in the model (model/), which stacks them for the engine.
// Names and keys are those of PEFT, so that adapters go back and forth unchanged.
export { readAdapterConfig } from './adapter-config.ts'
export { adapterName, readAdapterTensors, toPeftConfig, writeAdapter } from './adapter-files.ts'
export type { AdapterTensor, AdapterTensorToWrite } from './adapter-files.ts'
export { combineAdapters, combined } from './combine-adapters.ts'
export type { CombineOptions, CombinedSource } from './combine-adapters.ts'
export { initialFactors, initialPart, takeOut } from './initial-parts.ts'
export type { LoraFactors } from './initial-parts.ts'
export { loftq } from './loftq.ts'
export { isSplitInit, loraConfig, loraSchema } from './lora-config.ts'
export { drawn, normal } from './draws.ts'
export type { LoraConfig, LoraOptions } from './lora-config.ts'
export { checkTargets, matchModules, adaptableParameters } from './match-modules.ts'
export type { AdaptableModules, ModuleAdapter } from './match-modules.ts'
export { checkParameters } from './match-parameters.ts'
export { savedTargets } from './saved-targets.ts'
