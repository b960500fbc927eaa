import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pickledNumbers } from './pickled-numbers.ts'
import { isJsonObject, readJsonObject } from './json-file.ts'
import { isRunFile, toSettings, type RunSettings } from './run-settings.ts'

/** The tool that made a run, as the files that it left tell. */
type RunMaker = 'fettle' | 'axolotl' | 'llama-factory' | 'unsloth' | 'trl' | 'transformers'

/** The folder of a run that has ended, or is under way. */
export interface FinishedRun {
  path: string
  maker: RunMaker
  /** Folder of the newest weights: the run's own, or that of its last checkpoint. */
  weights: string
  settings?: RunSettings
  /** Losses and the like, as trainer_state.json has them. */
  log: Record<string, unknown>[]
}

const stateFile = 'trainer_state.json'

/** Files that only a training run leaves. */
const traces = [
  stateFile,
  'training_args.bin',
  'all_results.json',
  'train_results.json',
  'trainer_log.jsonl',
  'llamaboard_config.yaml',
  'training_args.yaml',
]

/** Whether the names in a folder are those that a training run leaves. */
export function looksLikeRun(names: readonly string[]): boolean {
  return names.some((name) => traces.includes(name) || /^checkpoint-\d+$/.test(name))
}

/** Reads what the folder of a run says of itself. */
export async function readFinishedRun(path: string): Promise<FinishedRun> {
  const names = await readdir(path)
  const checkpoints = names
    .filter((name) => /^checkpoint-\d+$/.test(name))
    .toSorted((a, b) => Number(b.slice('checkpoint-'.length)) - Number(a.slice('checkpoint-'.length)))
  const hasWeights = (folder: string) =>
    ['adapter_config.json', 'config.json'].some((name) => existsSync(join(folder, name)))
  const folders = [path, ...checkpoints.map((name) => join(path, name))]
  const weights = folders.find(hasWeights) ?? path
  const stateFolder = folders.find((folder) => existsSync(join(folder, stateFile)))
  const state = stateFolder === undefined ? undefined : await readJsonObject(join(stateFolder, stateFile))
  const readme = await textOf(join(weights, 'README.md'), join(path, 'README.md'))
  const configs = ['adapter_config.json', 'config.json'].map((name) => textOf(join(weights, name)))
  const [adapterConfig, modelConfig] = await Promise.all(configs)
  const maker = makerOf(names, readme, state, adapterConfig, modelConfig)
  const settings = await settingsOf(path, names, readme)
  return {
    path,
    maker,
    weights,
    log: Array.isArray(state?.['log_history']) ? state['log_history'].filter(isJsonObject) : [],
    ...(settings && { settings }),
  }
}

/** What Unsloth writes into adapter_config.json (`auto_mapping`) and config.json. */
const savedByUnsloth = /"unsloth_(?:fixed|version)"/

/** The most telling trace first: Axolotl, LLaMA-Factory and Unsloth all leave TRL's or transformers' files too. */
function makerOf(
  names: readonly string[],
  readme: string,
  state: Record<string, unknown> | undefined,
  adapterConfig: string,
  modelConfig: string,
): RunMaker {
  if (state !== undefined && ('identity' in state || 'fingerprint' in state)) return 'fettle'
  if (/axolotl/i.test(readme) || names.some((name) => /^axolotl.*\.ya?ml$/.test(name))) return 'axolotl'
  if (
    names.some((name) =>
      ['llamaboard_config.yaml', 'trainer_log.jsonl', 'training_loss.png'].includes(name),
    ) ||
    /llama-?factory/i.test(readme)
  )
    return 'llama-factory'
  // Not by the base model's name: everybody trains models that Unsloth uploaded.
  if (/^\s*- unsloth$|with \[?unsloth/im.test(readme) || savedByUnsloth.test(adapterConfig + modelConfig))
    return 'unsloth'
  if (/\btrl\b/i.test(readme)) return 'trl'
  return 'transformers'
}

async function textOf(...paths: string[]): Promise<string> {
  const path = paths.find((file) => existsSync(file))
  return path === undefined ? '' : readFile(path, 'utf8')
}

/** A configuration that lies in the folder; else the one that is printed in the README. */
async function settingsOf(
  path: string,
  names: readonly string[],
  readme: string,
): Promise<RunSettings | undefined> {
  const { readYaml } = await import('../formats/yaml/index.ts')
  const tryParse = (text: string): unknown => {
    try {
      return readYaml(text, '').value
    } catch {
      return undefined
    }
  }
  for (const name of names.filter((file) => /\.ya?ml$/.test(file)).toSorted()) {
    const place = join(path, name)
    const value = tryParse(await readFile(place, 'utf8'))
    if (isRunFile(value)) return toSettings(place, value)
  }
  const place = join(path, 'README.md')
  // Axolotl prints its whole configuration, transformers a list of hyperparameters.
  for (const [, block] of readme.matchAll(/```ya?ml\n([\s\S]*?)```/g)) {
    const value = tryParse(block)
    if (isRunFile(value)) return toSettings(place, value)
  }
  const listed = [...readme.matchAll(/^- (\w+): (.+)$/gm)].map(([, key, value]): [string, unknown] => [
    key,
    tryParse(value),
  ])
  const values = Object.fromEntries(listed)
  if ('learning_rate' in values) return toSettings(place, values)
  return pickledSettings(path, names)
}

/** What transformers' Trainer and TRL keep of their arguments, beside the weights or in a checkpoint. */
const pickledNames = [
  'learning_rate',
  'num_train_epochs',
  'max_steps',
  'max_length',
  'max_seq_length',
  'packing',
  'per_device_train_batch_size',
  'gradient_accumulation_steps',
  'fp16',
  'bf16',
]

async function pickledSettings(path: string, names: readonly string[]): Promise<RunSettings | undefined> {
  const folders = [
    path,
    ...names.filter((name) => /^checkpoint-\d+$/.test(name)).map((name) => join(path, name)),
  ]
  const place = folders.map((folder) => join(folder, 'training_args.bin')).find((file) => existsSync(file))
  if (place === undefined) return undefined
  const values = pickledNumbers(await readFile(place), pickledNames)
  return Object.keys(values).length === 0 ? undefined : toSettings(place, values)
}
