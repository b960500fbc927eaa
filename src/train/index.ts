// Training: a loop that knows neither objective nor optimiser, what those are, and the compositions that users call.
// runTraining yields events and prints nothing; the command line, the studio and logs read the same stream.
// The arithmetic is in model/ and engine/, the order of the data in batch/.
export type {
  CheckpointEvent,
  EndEvent,
  EvalEvent,
  FoundBatch,
  PrepareEvent,
  Sample,
  SampleEvent,
  SourceFound,
  SourceLoss,
  StartEvent,
  StepEvent,
  TrainEvent,
} from './events.ts'
export type { Objective, ObjectiveStep, StepLoss } from './objectives/objective.ts'
export { createAdamW } from './optimisers/adamw.ts'
export type { Optimiser, OptimiserStep } from './optimisers/optimiser.ts'
export {
  flagLayer,
  givenLora,
  maskPolicyOf,
  mixOf,
  optimName,
  optionFlags,
  readRunOptions,
  readTrainOptions,
  runFileJsonSchema,
  runFileLayer,
  yamlLayer,
  type RunOptions,
  type TrainOptions,
  type TrainOptionsInput,
} from './options/index.ts'
export { findPassSize, machineMemory, passSize } from './memory/index.ts'
export { prepareData } from './preparation/prepare-data.ts'
export { prepareRun, type PreparedEvent } from './preparation/prepare-run.ts'
export { isDivergence } from './loop/divergence.ts'
export { lossTypeOf, lossTypesOf } from './preferences/losses-of.ts'
export { preferenceKindOf } from './preferences/preference-kind.ts'
export { runTraining } from './loop/run-training.ts'
export { applyRunTemplate } from './setup/run-template.ts'
export type { TrainingData, TrainingTask } from './task.ts'
export { findRunEvaluation, type RunEvaluation, type RunFolder } from './runs/index.ts'
export { trainCpo, trainDpo, trainKto, trainOrpo } from './preferences/train-preferences.ts'
export type { Execute, TrainInput } from './setup/compose-run.ts'
export { dueSteps } from './loop/due-steps.ts'
export { handedStart, type HandedStart, type HandedTensor } from './setup/handed-start.ts'
export { learningRateAt } from './loop/schedule.ts'
export { trackedRun } from './loop/tracked-run.ts'
export {
  encodePrompts,
  trainGrpo,
  type EncodedPrompt,
  type RewardContext,
  type RewardFunction,
  type RolloutFunction,
  type TrainGrpoInput,
} from './grpo/index.ts'
export { trainReward } from './preferences/train-reward.ts'
export { train } from './train.ts'
export { trainSft } from './train-sft.ts'
export type { TrainSftInput } from './train-sft.ts'
