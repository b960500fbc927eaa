// LoRA as PEFT defines it: which modules, which rank and scaling, and its files.
// The weights themselves live in the model (model/), which stacks them for the engine.
// Names and keys are those of PEFT, so that adapters go back and forth unchanged.
export {
  adapterName,
  readAdapterConfig,
  readAdapterTensors,
  toPeftConfig,
  writeAdapter,
} from './adapter-files.ts'
export type { AdapterTensorToWrite } from './adapter-files.ts'
export { loraConfig, matchModules } from './lora-config.ts'
export type { LoraConfig, ModuleAdapter } from './lora-config.ts'
