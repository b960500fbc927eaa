import type { RunOptions } from './options.ts'

/** What an option is about, as the help lists them, in its order. */
export const optionGroups = [
  'Model',
  'Adapter',
  'Data',
  'What is learned',
  'Batches',
  'Optimiser',
  'Evaluation and checkpoints',
  'Machine',
] as const

/** The title under which the help lists an option. */
export type OptionGroup = (typeof optionGroups)[number]

/** The group of each option; those of the lora block stand with it. */
export const groupOf: { readonly [Name in keyof Required<RunOptions>]: OptionGroup } = {
  model: 'Model',
  quantization: 'Model',
  activationQuantization: 'Model',
  dtype: 'Model',
  chatTemplate: 'Model',
  chatTemplateKwargs: 'Model',
  padToken: 'Model',

  adapter: 'Adapter',
  lora: 'Adapter',

  data: 'Data',
  evalData: 'Data',
  valSize: 'Data',
  stoppingStrategy: 'Data',
  deduplicate: 'Data',
  shuffleBuffer: 'Data',
  skipInvalid: 'Data',
  shuffle: 'Data',
  seed: 'Data',

  trainOnInput: 'What is learned',
  learn: 'What is learned',
  learnThinking: 'What is learned',
  learnToolCalls: 'What is learned',
  learnHeader: 'What is learned',
  learnTrailingNewline: 'What is learned',
  perTurn: 'What is learned',
  accept: 'What is learned',

  maxLength: 'Batches',
  truncationMode: 'Batches',
  packing: 'Batches',
  packingStrategy: 'Batches',
  perDeviceTrainBatchSize: 'Batches',
  perDeviceEvalBatchSize: 'Batches',
  gradientAccumulationSteps: 'Batches',

  numTrainEpochs: 'Optimiser',
  maxSteps: 'Optimiser',
  learningRate: 'Optimiser',
  lrSchedulerType: 'Optimiser',
  lrSchedulerKwargs: 'Optimiser',
  warmupSteps: 'Optimiser',
  warmupRatio: 'Optimiser',
  optim: 'Optimiser',
  optimArgs: 'Optimiser',
  weightDecay: 'Optimiser',
  adamBeta1: 'Optimiser',
  adamBeta2: 'Optimiser',
  adamEpsilon: 'Optimiser',
  loraplusLrRatio: 'Optimiser',
  loraplusLrEmbedding: 'Optimiser',
  neftuneNoiseAlpha: 'Optimiser',
  maxGradNorm: 'Optimiser',

  outputDir: 'Evaluation and checkpoints',
  overwrite: 'Evaluation and checkpoints',
  loggingSteps: 'Evaluation and checkpoints',
  evalSteps: 'Evaluation and checkpoints',
  saveSteps: 'Evaluation and checkpoints',
  saveTotalLimit: 'Evaluation and checkpoints',
  resumeFromCheckpoint: 'Evaluation and checkpoints',
  extend: 'Evaluation and checkpoints',

  engine: 'Machine',
  threads: 'Machine',
  gradientCheckpointing: 'Machine',
  lowMemory: 'Machine',
}
