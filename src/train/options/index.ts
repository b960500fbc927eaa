// The options of a run: one schema makes their types and defaults, the run file, the flags, the JSON Schema and the reference page.
// Layers (run file, flags, a program) are merged and checked at once; errors name the line or the flag.
// What was decided when the model was loaded is refused, not ignored.
export { refuseOtherLoading } from './loaded-options.ts'
export { refuseOtherLora } from './adapter-options.ts'
export { bytesPerTrained, optimName, optimNotes, type OptimName } from './optim.ts'
export { flagLayer, optionFlags } from './option-flags.ts'
export {
  loraOptions,
  maskPolicyOf,
  mixOf,
  type RunOptions,
  type SchedulerType,
  type TrainOptions,
  type TrainOptionsInput,
} from './options.ts'
export { lossTypes, methods, type Method } from './preference-options.ts'
export { runFileJsonSchema } from './run-file-schema.ts'
export { givenLora, programLayer, readRunOptions, readTrainOptions, yamlLayer } from './read-options.ts'
export { runFileLayer } from './run-file-layer.ts'
export { snakeCase } from './option-keys.ts'
