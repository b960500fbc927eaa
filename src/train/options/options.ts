import { z } from 'zod'
import type { MaskPolicy } from '../../chat/index.ts'
import {
  columnNames,
  dataFormats,
  isRows,
  messageKeyNames,
  stoppingStrategies,
  type DataSource,
  type GivenRows,
  type MixOptions,
  type RowMap,
} from '../../data/index.ts'
import { engineNames, mostThreads } from '../../engine/index.ts'
import { optimArgsSchema, optimSchema } from './optim.ts'
import { grpoOptions } from './grpo-options.ts'
import { preferenceOptions, type Method } from './preference-options.ts'
import { loraSchema, type LoraConfig, type LoraOptions } from '../../peft/index.ts'

/**
 * Every option of a run with its default: the source of the TypeScript types, the run file, the flags, the JSON
 * Schema for editors and the reference page. Keys are Hugging Face's in camelCase; files and flags may also spell
 * them with `_` or `-`.
 */

/** Steps and the like: more than anybody lives to see, and few enough to count with. */
const mostSteps = 1e9
/** Longest example in tokens: some sixteen times what any published model reads. */
const mostTokens = 1 << 24
/** Examples of a batch, and batches of a step. */
const mostPerStep = 1 << 20
/** Rows of a micro-batch where nobody says otherwise. */
const usualBatchSize = 4

const count = (most = mostSteps) => z.int().min(1).max(most)
const countOrZero = () => z.int().min(0).max(mostSteps)
/** Steps between two of a kind, or a part of the run. */
const every = (least: 0 | 1) => z.union([z.int().min(least).max(mostSteps), z.number().gt(0).lt(1)])
const positive = () => z.number().positive()
const ratio = () => z.number().min(0).max(1)

/** Learning rate schedules, by the names of transformers. */
const schedulerTypes = [
  'linear',
  'cosine',
  'cosine_with_restarts',
  'cosine_with_min_lr',
  'polynomial',
  'constant',
  'constant_with_warmup',
  'inverse_sqrt',
  'warmup_stable_decay',
  'reduce_lr_on_plateau',
] as const

/** The name of a learning rate schedule. */
export type SchedulerType = (typeof schedulerTypes)[number]

const trackerName = z.enum(['tensorboard', 'wandb', 'mlflow', 'trackio', 'webhook'])
type TrackerName = z.output<typeof trackerName>

const decayTypes = z.enum(['linear', 'cosine', '1-sqrt'])

const schedulerKwargs = z.strictObject({
  numCycles: positive().optional().describe('Waves of cosine, restarts of cosine_with_restarts.'),
  power: positive().optional().describe('Exponent of polynomial.'),
  lrEnd: z.number().min(0).optional().describe('Learning rate at the end of polynomial.'),
  timescale: positive().optional().describe('Timescale of inverse_sqrt.'),
  minLr: z
    .number()
    .min(0)
    .optional()
    .describe('Lowest learning rate of cosine_with_min_lr and reduce_lr_on_plateau.'),
  minLrRate: ratio().optional().describe('The same as a ratio to the highest.'),
  numDecaySteps: countOrZero().optional().describe('Decay steps of warmup_stable_decay.'),
  numStableSteps: countOrZero().optional().describe('Stable steps of warmup_stable_decay.'),
  warmupType: decayTypes.optional().describe('Form of the warm-up of warmup_stable_decay.'),
  decayType: decayTypes.optional().describe('Form of the decay of warmup_stable_decay.'),
  minLrRatio: ratio().optional().describe('Where warmup_stable_decay ends, as a ratio.'),
  factor: z.number().gt(0).lt(1).optional().describe('What reduce_lr_on_plateau multiplies by.'),
  patience: countOrZero()
    .optional()
    .describe('Evaluations without gain that reduce_lr_on_plateau lets pass.'),
  threshold: z.number().min(0).optional().describe('What reduce_lr_on_plateau calls a gain.'),
  thresholdMode: z
    .enum(['rel', 'abs'])
    .optional()
    .describe('Whether that is a share of the best, or a number.'),
  cooldown: countOrZero().optional().describe('Evaluations after a reduction that do not count.'),
  eps: z.number().min(0).optional().describe('The smallest reduction that is made.'),
})

const source = z
  .strictObject({
    path: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1).readonly()])
      .optional()
      .describe('A file, a folder, a pattern such as data/*.jsonl, or a list of them; - is standard input.'),
    config: z.string().min(1).optional().describe('The config of a data set that has several.'),
    split: z
      .string()
      .min(1)
      .optional()
      .describe('Splits of a data set: train (default), train[:1000], train[10%:20%], train+validation.'),
    rows: z
      .custom<GivenRows>(isRows, 'rows')
      .optional()
      .describe('Rows that the program holds, or a function that begins them.'),
    name: z.string().optional().describe('What messages call the rows; beside a path, its config.'),
    format: z
      .enum(['auto', ...dataFormats])
      .default('auto')
      .describe('How the rows are laid out; auto decides by the first.'),
    columns: z
      .partialRecord(z.enum(columnNames), z.string())
      .optional()
      .describe("fettle's column names → the file's, or texts made of them: '{title}: {question}'."),
    roles: z.record(z.string(), z.string()).optional().describe("The file's roles → the template's."),
    messageKeys: z
      .partialRecord(z.enum(messageKeyNames), z.string())
      .optional()
      .describe("fettle's keys of a message → the file's."),
    weight: z
      .number()
      .positive()
      .max(1e9)
      .optional()
      .describe('How often a row of it is drawn, in relation to other sources, which then need one too.'),
    map: z
      .custom<RowMap>((value) => typeof value === 'function', 'a function of a row')
      .optional()
      .describe('Makes messages or another row of each row; null leaves it out.'),
  })
  .refine(
    ({ path, rows, config, split }) =>
      (path === undefined) !== (rows === undefined) && (path ?? config ?? split) === path,
    { error: 'path' },
  )
const sources = z.array(
  z.union([z.string().min(1), source]).transform((given): DataSource => {
    const { path, rows, name, config, split, ...options } =
      typeof given === 'string' ? { path: given } : given
    return rows === undefined
      ? { path: path ?? '', config: config ?? name, split, ...options }
      : { rows, name, ...options }
  }),
)

/** The options of `trainSft`; the run file has the model's path besides. */
export const trainOptionsSchema = z.strictObject({
  data: sources.min(1).describe('Files to train on, with format, columns and roles where needed.'),
  evalData: sources
    .nullable()
    .optional()
    .describe(
      'Held-out files to evaluate on; left out (auto), the beginning of a validation split beside the training data; null: none.',
    ),
  outputDir: z
    .string()
    .min(1)
    .optional()
    .describe('Where checkpoints and the result go; default a new folder runs/<date>-<model>.'),
  overwrite: z.boolean().default(false).describe('Replace the run that output_dir holds.'),
  ...preferenceOptions,
  ...grpoOptions,
  lora: loraSchema.nullable().prefault({}).describe("LoRA with PEFT's names; null trains every weight."),
  adapter: z.string().min(1).nullable().default(null).describe('Start from this adapter.'),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16'])
    .default('auto')
    .describe('Type of the frozen weights; auto: as they are stored, float16 as float32.'),
  quantization: z
    .enum(['nf4', 'fp4', 'int8'])
    .nullable()
    .default(null)
    .describe('Hold the frozen linear layers in 8 or 4 bits (QLoRA).'),
  doubleQuantization: z
    .boolean()
    .default(false)
    .describe(
      'With nf4 or fp4: round the scales of the blocks to 8 bits, as bnb_4bit_use_double_quant does.',
    ),
  activationQuantization: z
    .enum(['int8'])
    .nullable()
    .default(null)
    .describe('With quantization int8: round activations too and multiply integers; faster, less exact.'),
  engine: z
    .enum(['auto', ...engineNames])
    .default('auto')
    .describe('What computes.'),
  threads: count(mostThreads)
    .optional()
    .describe('Threads; default the physical cores that the process may use.'),

  maxLength: z
    .int()
    .min(2)
    .max(mostTokens)
    .default(1024)
    .describe('Longest example, and size of a pack, in tokens.'),
  truncationMode: z
    .enum(['keep_start', 'keep_end'])
    .default('keep_start')
    .describe('Which end of a longer example is kept.'),
  packing: z.boolean().default(true).describe('Fill packs of max_length with several examples.'),
  packingStrategy: z
    .enum(['bfd', 'bfd_split', 'wrapped'])
    .default('bfd')
    .describe('Best fit of whole examples, the same with long ones split, or cut wherever a pack is full.'),
  perDeviceTrainBatchSize: z
    .union([count(mostPerStep), z.literal('auto')])
    .default(usualBatchSize)
    .describe(
      'Packs (without packing: examples) of a micro-batch; auto: 4 for each of gradient_accumulation_steps, together, in passes that fit the memory.',
    ),
  autoFindBatchSize: z
    .boolean()
    .default(false)
    .describe('Find passes that fit the memory; rows of a step and micro-batches stay as they are.'),
  perDeviceEvalBatchSize: count(mostPerStep).optional().describe('The same for evaluation.'),
  gradientAccumulationSteps: count(mostPerStep).default(1).describe('Micro-batches of an optimiser step.'),
  shuffle: z.boolean().default(true).describe('A new order of the examples in every epoch.'),
  seed: z
    .int()
    .min(0)
    .max(0xffffffff)
    .default(42)
    .describe('Order, initial adapter and dropout follow from it.'),

  stoppingStrategy: z
    .enum(stoppingStrategies)
    .optional()
    .describe(
      'With weights: mixing ends with the first source that has no more rows (the default), or with the last, short ones read again or once only.',
    ),
  shuffleBuffer: z
    .int()
    .min(2)
    .max(1 << 20)
    .optional()
    .describe('Shuffle rows as they are read, holding so many of them.'),
  deduplicate: z.boolean().default(false).describe('Leave out rows that say the same as an earlier one.'),
  valSize: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('Part of the rows of data that is held out for evaluation, in place of eval_data.'),
  skipInvalid: z
    .boolean()
    .default(false)
    .describe(
      'Leave out rows that cannot be used, and count and list them, instead of stopping at the first.',
    ),
  trainOnInput: z.boolean().default(false).describe('Learn prompts and every role, not only answers.'),
  learn: z.enum(['all', 'last']).default('all').describe('Learn all answers of a conversation, or the last.'),
  learnThinking: z.boolean().default(true).describe('Learn the thinking of answers.'),
  learnToolCalls: z.boolean().default(true).describe('Learn the tool calls of answers.'),
  learnHeader: z.boolean().default(false).describe('Learn the role header before an answer too.'),
  learnTrailingNewline: z.boolean().default(false).describe('Learn the newline behind the stop token too.'),
  perTurn: z.boolean().default(false).describe('One example for each answer, rendered as when it is served.'),
  accept: z
    .array(z.enum(['dropped', 'inferred', 'no-stop']))
    .default([])
    .describe('Accept answers whose borders are doubtful.'),
  chatTemplate: z.string().min(1).optional().describe("A .jinja file, or a format's name such as chatml."),
  chatTemplateKwargs: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Variables for the chat template, such as enable_thinking.'),
  padToken: z.string().min(1).optional().describe('Pad token; by default one that is not eos is found.'),

  numTrainEpochs: positive().max(1e6).default(1).describe('Times that the data is seen.'),
  maxSteps: count().optional().describe('Optimiser steps; overrides num_train_epochs.'),
  learningRate: positive()
    .optional()
    .describe(
      'Highest learning rate; default 2e-4 with LoRA, 2e-5 without; with preferences or rewards 1e-5 and 1e-6, of a reward model 1e-4 and 1e-5.',
    ),
  lrSchedulerType: z.enum(schedulerTypes).default('cosine').describe('How the learning rate changes.'),
  lrSchedulerKwargs: schedulerKwargs.optional().describe('Parameters of the schedule.'),
  warmupSteps: countOrZero().optional().describe('Steps of warm-up; default 10, at most a tenth of the run.'),
  warmupRatio: ratio().optional().describe('Warm-up as a part of the run.'),
  optim: optimSchema
    .default('adamw')
    .describe("The optimiser; those of transformers' names are the same ones, and paged ones are not paged."),
  optimArgs: optimArgsSchema.optional().describe('Parameters of sgd and muon.'),
  weightDecay: z.number().min(0).default(0).describe('Not for norms and biases.'),
  adamBeta1: z.number().min(0).lt(1).default(0.9).describe("Decay of AdamW's and Lion's first moment."),
  adamBeta2: z
    .number()
    .min(0)
    .lt(1)
    .default(0.999)
    .describe("Decay of AdamW's second moment, and what Lion's moment decays by."),
  adamEpsilon: positive().default(1e-8).describe("AdamW's ε."),
  loraplusLrRatio: positive()
    .optional()
    .describe("LoRA+: learning rate of LoRA's B, and of vectors, as a multiple of that of A."),
  loraplusLrEmbedding: positive()
    .optional()
    .describe('With loraplus_lr_ratio: learning rate of LoRA on the embedding; default 1e-6.'),
  neftuneNoiseAlpha: positive()
    .optional()
    .describe('NEFTune: noise on the embeddings in training, uniform within alpha / √(length · width).'),
  maxGradNorm: z.number().min(0).default(1).describe('Clip gradients to this norm; 0 does not.'),
  gradientCheckpointing: z
    .boolean()
    .default(false)
    .describe('Recompute activations instead of keeping them.'),
  lowMemory: z.boolean().default(false).describe('Smaller passes: less memory, some speed.'),

  loggingSteps: every(1).default(1).describe('A step event every so many steps; below 1 a part of the run.'),
  reportTo: z
    .union([
      z.literal('none').transform((): TrackerName[] => []),
      trackerName.transform((name): TrackerName[] => [name]),
      z.array(trackerName),
    ])
    .default([])
    .describe(
      'Where events go besides events.jsonl: tensorboard and wandb (files in the run’s folder), mlflow, trackio, webhook, or none.',
    ),
  webhookUrl: z
    .string()
    .min(1)
    .optional()
    .describe('Address that events are posted to as JSON; default FETTLE_WEBHOOK_URL.'),
  report: z.boolean().default(true).describe('Write report.html into the run’s folder.'),
  evalStrategy: z
    .enum(['no', 'steps', 'epoch'])
    .default('steps')
    .describe(
      'When held-out data are evaluated; also before the first step and after the last, but with no.',
    ),
  evalSteps: every(0)
    .default(50)
    .describe('Evaluate every so many steps, and at the end; 0 only there; below 1 a part of the run.'),
  metricForBestModel: z
    .string()
    .min(1)
    .default('loss')
    .describe('The metric of evaluations that says which is the best: loss, perplexity, stop_probability …'),
  greaterIsBetter: z
    .boolean()
    .optional()
    .describe('Whether more of it is better; default false for what ends in loss, and perplexity.'),
  earlyStoppingPatience: count()
    .optional()
    .describe('Stop after so many evaluations that were no better than the best.'),
  earlyStoppingThreshold: z
    .number()
    .min(0)
    .default(0)
    .describe('How much better one must be to count for that.'),
  loadBestModelAtEnd: z
    .boolean()
    .default(false)
    .describe('Save a checkpoint at each best evaluation, keep it, and end with it.'),
  samplePrompts: z
    .union([z.array(z.string().min(1)), z.int().min(0).max(64)])
    .optional()
    .describe(
      'What is answered before and after training, and at each evaluation: texts, or how many held-out prompts; default 2 of these, before and after only.',
    ),
  sampleMaxNewTokens: countOrZero().default(32).describe('Tokens of such an answer at most; 0 for none.'),
  spikeGuard: z
    .enum(['off', 'skip', 'stop'])
    .default('off')
    .describe(
      'What becomes of a step whose loss or gradient norm leaps: its update is left out, or the run stops.',
    ),
  spikeFactor: positive()
    .default(6)
    .describe('Standard deviations above the mean of the last 32 steps that are a leap.'),
  saveStrategy: z.enum(['no', 'steps', 'epoch']).default('steps').describe('When checkpoints are saved.'),
  saveSteps: every(0)
    .default(50)
    .describe('A checkpoint every so many steps; 0 for none; below 1 a part of the run.'),
  saveTotalLimit: count()
    .optional()
    .describe('Keep only the newest checkpoints, and with load_best_model_at_end the best.'),
  cache: z.boolean().default(true).describe('Keep prepared data, and take those that were kept.'),
  cacheDir: z
    .string()
    .min(1)
    .optional()
    .describe('Where prepared data are kept; default FETTLE_CACHE, or ~/.cache/fettle.'),
  resumeFromCheckpoint: z
    .union([z.boolean(), z.string().min(1)])
    .default(false)
    .describe(
      'Go on from this run or checkpoint; true takes the newest of output_dir, or of the newest run in runs/.',
    ),
  acceptChangedData: z
    .boolean()
    .default(false)
    .describe('Go on although the data are others than those of the checkpoint.'),
  extend: z
    .boolean()
    .default(false)
    .describe('Go on with more steps or epochs, another learning rate or max_grad_norm than the run had.'),
})

/** The options of a run file: those of `trainSft` and the model's path. */
export const runOptionsSchema = z.strictObject({
  model: z.string().min(1).describe('Hugging Face folder or .gguf file.'),
  ...trainOptionsSchema.shape,
})

type Defaulted<T> = Omit<T, 'learningRate' | 'perDeviceTrainBatchSize'> & {
  learningRate: number
  perDeviceTrainBatchSize: number
}

/** Complete options of a training run. */
export type TrainOptions = Defaulted<z.output<typeof trainOptionsSchema>>
/**
 * The options of a run: docs/training.md explains each, under its name in files (`learning_rate`). What may be left out is
 * optional; everything is checked at run time too.
 */
export interface TrainOptionsInput extends z.input<typeof trainOptionsSchema> {}
/** Complete options of a run file. */
export type RunOptions = Defaulted<z.output<typeof runOptionsSchema>>

/** Learning rates by method, with an adapter and without one. */
const learningRates: { [M in Method]: readonly [adapter: number, whole: number] } = {
  sft: [2e-4, 2e-5],
  dpo: [1e-5, 1e-6],
  kto: [1e-5, 1e-6],
  orpo: [1e-5, 1e-6],
  cpo: [1e-5, 1e-6],
  reward: [1e-4, 1e-5],
  grpo: [1e-5, 1e-6],
}

/** The defaults that depend on other options. */
export function withDependentDefaults<
  T extends {
    method: Method
    lora: LoraOptions | null
    adapter: string | null
    learningRate?: number | undefined
    perDeviceTrainBatchSize: number | 'auto'
    gradientAccumulationSteps: number
    autoFindBatchSize: boolean
  },
>(options: T): Defaulted<T> {
  const [adapter, whole] = learningRates[options.method]
  const adapts = options.lora !== null || options.adapter !== null
  return {
    ...options,
    ...batchSizeOf(options),
    learningRate: options.learningRate ?? (adapts ? adapter : whole),
  }
}

/**
 * Rows of a micro-batch, micro-batches of a step, and whether its passes are made to fit the memory. With `auto` a step has the rows
 * that it would have without it, on every machine, all in one micro-batch: what memory depends on are the passes that it is divided into.
 */
function batchSizeOf({
  perDeviceTrainBatchSize: given,
  gradientAccumulationSteps,
  autoFindBatchSize,
}: Pick<
  z.output<typeof trainOptionsSchema>,
  'perDeviceTrainBatchSize' | 'gradientAccumulationSteps' | 'autoFindBatchSize'
>) {
  return given === 'auto'
    ? {
        perDeviceTrainBatchSize: usualBatchSize * gradientAccumulationSteps,
        gradientAccumulationSteps: 1,
        autoFindBatchSize: true,
      }
    : { perDeviceTrainBatchSize: given, gradientAccumulationSteps, autoFindBatchSize }
}

/** The LoRA block without what was left out, as `addAdapter` takes it. */
export function loraOptions(options: LoraOptions): Partial<LoraConfig> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/** Which parts of conversations are learned. */
export function maskPolicyOf(options: Omit<TrainOptions, 'lora'>): MaskPolicy {
  const { learn, trainOnInput, learnThinking, learnToolCalls, accept } = options
  return {
    learn,
    trainOnInput,
    thinking: learnThinking,
    toolCalls: learnToolCalls,
    includeHeader: options.learnHeader,
    includeTrailingNewline: options.learnTrailingNewline,
    accept,
  }
}

/** How the sources of the training data become one; those of the evaluation are read one after the other. */
export function mixOf({
  seed,
  stoppingStrategy,
  shuffleBuffer,
  deduplicate,
  valSize,
}: Omit<TrainOptions, 'lora'>): MixOptions {
  return { seed, stoppingStrategy, shuffleBuffer, deduplicate, valSize }
}
