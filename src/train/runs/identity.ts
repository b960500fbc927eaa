import { quoteValue, type Problem } from '../../error.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import { optimName, snakeCase, type TrainOptions } from '../options/index.ts'
import { hashFile } from '../../formats/index.ts'
import { plural } from '../../plural.ts'

/** A value of JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** What a run is: what decides its results, so that going on with anything else would be another run. */
export interface RunIdentity {
  /** Hash of the base model (see `hashBase`); null where no file holds it. */
  base: string | null
  /** Hash of the prepared examples, or their numbers where they have none, and the files that they were made of. */
  data: {
    hash: string | null
    examples: number
    tokens: number
    /** By SHA-256; older checkpoints do not say it. */
    files?: { path: string; hash: string }[] | undefined
  }
  /** What stays as it is, by its name in run files. */
  fixed: Record<string, Json>
  /** What `extend` may change: how long the run is, and its learning rates. */
  extendable: Record<string, Json>
  /** What decides which examples are made of the data; only said where these are others. */
  preparation: Record<string, Json>
}

/**
 * What each option is to the identity of a run: `fixed` decides results, `extendable` does and may be changed by `extend`,
 * `preparation` acts through the prepared examples, whose hash is compared, `model` through what the model says of itself, and `none`
 * changes nothing of what is trained.
 */
const roles: {
  [Name in keyof Required<TrainOptions>]: 'fixed' | 'extendable' | 'preparation' | 'model' | 'none'
} = {
  data: 'none',
  evalData: 'none',
  outputDir: 'none',
  method: 'fixed',
  lossType: 'fixed',
  lossWeights: 'fixed',
  beta: 'fixed',
  labelSmoothing: 'fixed',
  ldAlpha: 'fixed',
  fDivergenceType: 'fixed',
  fAlphaDivergenceCoef: 'fixed',
  useWeighting: 'fixed',
  discopopTau: 'fixed',
  precomputeRefLogProbs: 'fixed',
  syncRefModel: 'fixed',
  refModelMixupAlpha: 'fixed',
  refModelSyncSteps: 'fixed',
  desirableWeight: 'fixed',
  undesirableWeight: 'fixed',
  cpoAlpha: 'fixed',
  centerRewardsCoefficient: 'fixed',
  simpoGamma: 'fixed',
  alpha: 'fixed',
  rewards: 'none',
  rewardWeights: 'fixed',
  numGenerations: 'fixed',
  maxCompletionLength: 'fixed',
  stepsPerGeneration: 'fixed',
  numIterations: 'fixed',
  scaleRewards: 'fixed',
  epsilon: 'fixed',
  epsilonHigh: 'fixed',
  delta: 'fixed',
  useBiasCorrectionKl: 'fixed',
  importanceSamplingLevel: 'fixed',
  maskTruncatedCompletions: 'fixed',
  temperature: 'fixed',
  topP: 'fixed',
  topK: 'fixed',
  minP: 'fixed',
  repetitionPenalty: 'fixed',
  overwrite: 'none',
  lora: 'model',
  adapter: 'model',
  dtype: 'model',
  quantization: 'model',
  doubleQuantization: 'model',
  activationQuantization: 'model',
  engine: 'none',
  threads: 'none',
  maxLength: 'fixed',
  truncationMode: 'preparation',
  packing: 'fixed',
  packingStrategy: 'fixed',
  perDeviceTrainBatchSize: 'fixed',
  autoFindBatchSize: 'fixed',
  perDeviceEvalBatchSize: 'none',
  gradientAccumulationSteps: 'fixed',
  shuffle: 'fixed',
  seed: 'fixed',
  stoppingStrategy: 'preparation',
  shuffleBuffer: 'preparation',
  deduplicate: 'preparation',
  valSize: 'preparation',
  skipInvalid: 'preparation',
  trainOnInput: 'preparation',
  learn: 'preparation',
  learnThinking: 'preparation',
  learnToolCalls: 'preparation',
  learnHeader: 'preparation',
  learnTrailingNewline: 'preparation',
  perTurn: 'preparation',
  accept: 'preparation',
  chatTemplate: 'preparation',
  chatTemplateKwargs: 'preparation',
  padToken: 'fixed',
  numTrainEpochs: 'extendable',
  maxSteps: 'extendable',
  learningRate: 'extendable',
  lrSchedulerType: 'extendable',
  lrSchedulerKwargs: 'extendable',
  warmupSteps: 'extendable',
  warmupRatio: 'extendable',
  optim: 'fixed',
  optimArgs: 'fixed',
  weightDecay: 'fixed',
  adamBeta1: 'fixed',
  adamBeta2: 'fixed',
  adamEpsilon: 'fixed',
  loraplusLrRatio: 'fixed',
  loraplusLrEmbedding: 'fixed',
  neftuneNoiseAlpha: 'fixed',
  maxGradNorm: 'extendable',
  // The numbers stay the same, bit for bit.
  gradientCheckpointing: 'none',
  // Other passes draw other dropout masks, and round otherwise.
  lowMemory: 'fixed',
  loggingSteps: 'none',
  reportTo: 'none',
  webhookUrl: 'none',
  report: 'none',
  evalStrategy: 'none',
  evalSteps: 'none',
  metricForBestModel: 'none',
  greaterIsBetter: 'none',
  earlyStoppingPatience: 'none',
  earlyStoppingThreshold: 'none',
  loadBestModelAtEnd: 'none',
  samplePrompts: 'none',
  sampleMaxNewTokens: 'none',
  spikeGuard: 'extendable',
  spikeFactor: 'extendable',
  saveStrategy: 'none',
  saveSteps: 'none',
  saveTotalLimit: 'none',
  cache: 'none',
  cacheDir: 'none',
  resumeFromCheckpoint: 'none',
  acceptChangedData: 'none',
  extend: 'none',
}

/**
 * The identity of a run.
 *
 * @param base  of `hashBase`
 * @param task  what else decides its results, such as the parameters of the objective
 */
export async function identityOf(
  model: AutoModelForCausalLM,
  data: {
    hash?: string
    files?: readonly { path: string; hash: string }[] | undefined
    summary: { examples: number; tokens: number }
  },
  options: TrainOptions,
  base: string | null,
  task: Readonly<Record<string, unknown>> = {},
): Promise<RunIdentity> {
  const { adapterConfig } = model
  const lora = Object.entries(adapterConfig ?? {})
    .filter(([name]) => name !== 'taskType' && name !== 'baseModelNameOrPath')
    .map(([name, value]): [string, Json] => [`lora.${snakeCase(name)}`, plain(value)])
  return {
    base,
    data: {
      hash: data.hash ?? null,
      examples: data.summary.examples,
      tokens: data.summary.tokens,
      ...(data.files && { files: data.files.map(({ path, hash }) => ({ path, hash })) }),
    },
    fixed: {
      ...fixedBefore(model, options),
      lora: adapterConfig !== null,
      ...Object.fromEntries(lora),
      adapter: await hashAdapter(options.adapter),
      trainable_parameters: model.trainableCount,
      ...Object.fromEntries(Object.entries(task).map(([name, value]) => [name, plain(value)])),
    },
    extendable: ofRole(options, 'extendable'),
    preparation: ofRole(options, 'preparation'),
  }
}

/** A run's identity, where what is known before data and adapter is as the options say: what differs then differs for good. */
export function identityBefore(
  then: RunIdentity,
  model: AutoModelForCausalLM,
  options: TrainOptions,
): RunIdentity {
  const fixed = { ...then.fixed, ...fixedBefore(model, options) }
  return { ...then, fixed, extendable: ofRole(options, 'extendable') }
}

function fixedBefore(model: AutoModelForCausalLM, options: TrainOptions): Record<string, Json> {
  return {
    ...ofRole(options, 'fixed'),
    dtype: model.dtype,
    quantization: model.quantization,
    activation_quantization: model.activationQuantization,
    ...(model.doubleQuantization && { double_quantization: true }),
  }
}

function ofRole(options: TrainOptions, role: string): Record<string, Json> {
  const entries = Object.entries(options).filter(([name]) => roles[name as keyof TrainOptions] === role)
  return Object.fromEntries(
    entries.map(([name, value]) => [
      snakeCase(name),
      plain(name === 'optim' ? optimName(String(value)) : value),
    ]),
  )
}

/** What a run was made with that does not say it, because there was nothing else then. */
const before: Readonly<Record<string, Json>> = {
  optim: 'adamw',
  spike_guard: 'off',
  spike_factor: 6,
  auto_find_batch_size: false,
}

/** As JSON has it, so that what was written compares with what is; null for what was not given. */
function plain(value: unknown): Json {
  return value === undefined ? null : (JSON.parse(JSON.stringify(value)) as Json)
}

async function hashAdapter(folder: string | null): Promise<Json> {
  if (folder === null) return null
  return `sha256:${await hashFile(`${folder}/adapter_model.safetensors`)}`
}

/** A value that is another one now. */
export interface Change {
  name: string
  before: Json
  now: Json
}

/** Files that a message names. */
const mostNamed = 8

/**
 * What of a run is another one than it was, in what stays.
 *
 * @param acceptsData  whether other data are no problem
 */
export function fixedProblems(
  then: RunIdentity,
  now: RunIdentity,
  place: string,
  acceptsData: boolean,
): Problem[] {
  const cure = 'Resume with what the run was made with, or start another run in another output_dir.'
  const problems = changesOf(then.fixed, now.fixed).map(({ name, before, now: found }): Problem => ({
    place: `${place}: ${name}`,
    found: quoteValue(found),
    expected: `${quoteValue(before)}, as in the run that wrote it`,
    cure,
  }))
  if (then.base !== now.base)
    problems.push({
      place: `${place}: model`,
      found: 'another base model, by the hash of its weights',
      expected: 'the one that the run was made with',
      cure,
    })
  if (!acceptsData && isOtherData(then, now)) {
    const others = changesOf(then.preparation, now.preparation).map(({ name }) => name)
    const files = changedFiles(then.data, now.data)
    const counted =
      said(now.data) === said(then.data) ? `other tokens in the ${said(now.data)}` : said(now.data)
    const why = others.length > 0 ? `, with another ${others.join(', ')}` : ''
    problems.push({
      place: `${place}: data`,
      found: `${files.length > 0 ? `${files.slice(0, mostNamed).join('; ')}: ` : ''}${counted}${why}`,
      expected: `the ${said(then.data)} that the run was made with`,
      cure: 'Resume with its data, go on with these all the same (accept_changed_data: true), or train on in another output_dir: adapter names what to start from.',
    })
  }
  return problems
}

const said = ({ examples, tokens }: RunIdentity['data']): string =>
  `${plural(examples, 'example')} of ${plural(tokens, 'token')}`

/** Whether a run has other examples now. */
export function isOtherData(then: RunIdentity, now: RunIdentity): boolean {
  return then.data.hash !== now.data.hash || said(then.data) !== said(now.data)
}

/** Files that are others now, in words. */
function changedFiles(then: RunIdentity['data'], now: RunIdentity['data']): string[] {
  if (then.files === undefined || now.files === undefined) return []
  const before = new Map(then.files.map(({ path, hash }) => [path, hash]))
  const after = new Map(now.files.map(({ path, hash }) => [path, hash]))
  return [
    ...[...after].flatMap(([path, hash]) => {
      const known = before.get(path)
      if (known === undefined) return [`${path} is new`]
      return known === hash ? [] : [`${path} was changed`]
    }),
    ...[...before.keys()].filter((path) => !after.has(path)).map((path) => `${path} is missing`),
  ]
}

/** What of a run is another one than it was, in what `extend` may change. */
export function extendedBy(then: RunIdentity, now: RunIdentity): Change[] {
  return changesOf(then.extendable, now.extendable)
}

function changesOf(then: Readonly<Record<string, Json>>, now: Readonly<Record<string, Json>>): Change[] {
  const at = (values: Readonly<Record<string, Json>>, name: string) => values[name] ?? before[name] ?? null
  return [...new Set([...Object.keys(then), ...Object.keys(now)])]
    .map((name) => ({ name, before: at(then, name), now: at(now, name) }))
    .filter((change) => JSON.stringify(change.before) !== JSON.stringify(change.now))
}
