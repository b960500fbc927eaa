import { basename } from 'node:path'
import { FettleError } from '../error.ts'
import { fromHome } from '../home-folder.ts'
import { isJsonObject } from '../formats/json/index.ts'
import { readTextFile } from '../formats/index.ts'

/** What a run was, or will be, made with; in one form, whoever wrote the file. */
export interface RunSettings {
  /** The file that says so. */
  place: string
  /** Whose keys it has: only fettle calls the model `model`. */
  maker: 'fettle' | 'another'
  model?: string
  adapter?: string
  outputDir?: string
  train: DataReference[]
  evaluation: DataReference[]
  learningRate?: number
  epochs?: number
  maxSteps?: number
  maxLength?: number
  packing?: boolean
  batchSize?: number
  accumulation?: number
  dtype?: string
  quantization?: string
  lowMemory?: boolean
  /** Whether its passes are made to fit the memory. */
  autoFindBatchSize?: boolean
  gradientCheckpointing?: boolean
  /** null: every weight is trained. */
  lora?: LoraSettings | null
  learn?: 'all' | 'last'
  trainOnInput?: boolean
  chatTemplate?: string
}

/** A data file with what says how to read it. */
export interface DataReference {
  path: string
  config?: string
  /** Splits of the data, as their key `split` says. */
  slice?: string
  format?: string
  columns?: Record<string, string>
  roles?: Record<string, string>
  messageKeys?: Record<string, string>
}

interface LoraSettings {
  r?: number
  alpha?: number
  targetModules?: string | string[]
  targetParameters?: string[]
  modulesToSave?: string[]
  trainableTokens?: unknown
  useRslora?: boolean
  /** Everything that was said of it, by PEFT's names. */
  values: Values
}

type Values = Record<string, unknown>

/** fettle's (and TRL's) keys first, then those of Axolotl and LLaMA-Factory. */
const keys = {
  model: ['model', 'model_name_or_path', 'base_model', 'model_path'],
  adapter: ['adapter', 'adapter_name_or_path', 'lora_model_dir'],
  outputDir: ['output_dir'],
  learningRate: ['learning_rate'],
  epochs: ['num_train_epochs', 'num_epochs'],
  maxSteps: ['max_steps'],
  maxLength: ['max_length', 'max_seq_length', 'sequence_len', 'cutoff_len'],
  packing: ['packing', 'sample_packing'],
  batchSize: ['per_device_train_batch_size', 'micro_batch_size', 'train_batch_size', 'batch_size'],
  accumulation: ['gradient_accumulation_steps'],
  dtype: ['dtype', 'torch_dtype', 'compute_type'],
  quantization: ['quantization'],
  lowMemory: ['low_memory'],
  autoFindBatchSize: ['auto_find_batch_size'],
  gradientCheckpointing: ['gradient_checkpointing'],
  learn: ['learn'],
  trainOnInput: ['train_on_input', 'train_on_inputs'],
  chatTemplate: ['chat_template', 'chat_template_jinja', 'chat_template_path'],
  r: ['r', 'lora_r', 'lora_rank'],
  alpha: ['lora_alpha', 'alpha'],
  targetModules: ['target_modules', 'lora_target_modules', 'lora_target'],
  targetParameters: ['target_parameters', 'lora_target_parameters'],
  modulesToSave: ['modules_to_save', 'lora_modules_to_save', 'additional_target'],
  trainableTokens: ['trainable_token_indices', 'fix_untrained_tokens'],
  useRslora: ['use_rslora', 'peft_use_rslora'],
} as const

/** `learningRate` and `learning-rate` as `learning_rate`, and so `train.learning_rate` of LLaMA Board. */
const plainKey = (key: string) =>
  key
    .replace(/^(?:top|train)\./, '')
    .replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    .replaceAll('-', '_')

/** Without what is left empty, as forms leave it. */
const plainKeys = (values: Values): Values =>
  Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === '' ? [] : [[plainKey(key), value]])),
  )

/** Whether a YAML or JSON file's content is a run, and not data. */
export function isRunFile(value: unknown): value is Values {
  if (!isJsonObject(value)) return false
  const known = plainKeys(value)
  return [...keys.model, ...keys.learningRate, 'data', 'datasets', 'dataset'].some((key) => key in known)
}

/**
 * Reads a run file of fettle, TRL, Axolotl or LLaMA-Factory.
 *
 * @throws FettleError when it is not YAML or JSON, or not a mapping
 */
export async function readRunFile(path: string): Promise<RunSettings> {
  const { readYaml } = await import('../formats/yaml/index.ts')
  const { value } = readYaml(await readTextFile(path, 'a run file'), path)
  if (isRunFile(value)) return toSettings(path, value)
  throw new FettleError({
    place: path,
    found: 'no run',
    expected: 'a mapping with model, data and learning_rate',
    cure: `Is ${basename(path)} the right file?`,
  })
}

/** Values under whatever names a tool gives them, in one form. */
export function toSettings(place: string, given: Values): RunSettings {
  const values = plainKeys(given)
  const settings: RunSettings = {
    place,
    maker: 'model' in values && !('datasets' in values) ? 'fettle' : 'another',
    train: [...dataOf(values['data']), ...dataOf(values['datasets']), ...dataOf(values['dataset'])],
    evaluation: [
      ...dataOf(values['eval_data']),
      ...dataOf(values['test_datasets']),
      ...dataOf(values['eval_dataset']),
    ],
  }
  for (const key of ['model', 'adapter', 'outputDir', 'dtype', 'quantization', 'chatTemplate'] as const) {
    const value = find(values, keys[key])
    // Axolotl's `adapter: lora` is a kind, not a path.
    if (typeof value === 'string' && !(key === 'adapter' && /^(q?lora|auto)$/.test(value)))
      settings[key] = fromHome(value)
  }
  for (const key of [
    'learningRate',
    'epochs',
    'maxSteps',
    'maxLength',
    'batchSize',
    'accumulation',
  ] as const) {
    const value = numberOf(find(values, keys[key]))
    if (value !== undefined) settings[key] = value
  }
  for (const key of [
    'packing',
    'trainOnInput',
    'lowMemory',
    'autoFindBatchSize',
    'gradientCheckpointing',
  ] as const) {
    const value = find(values, keys[key])
    if (typeof value === 'boolean') settings[key] = value
  }
  if (settings.maker === 'fettle' && find(values, keys.batchSize) === 'auto')
    settings.autoFindBatchSize = true
  if (values['learn'] === 'last' || values['learn'] === 'all') settings.learn = values['learn']
  const short = { bf16: 'bfloat16', fp16: 'float16', fp32: 'float32' }
  for (const [name, dtype] of Object.entries(short)) if (settings.dtype === name) settings.dtype = dtype
  if (settings.dtype === undefined && values['fp16'] === true) settings.dtype = 'float16'
  if (settings.dtype === undefined && (values['bf16'] === true || values['bf16'] === 'auto'))
    settings.dtype = 'bfloat16'
  if (settings.quantization === undefined && values['load_in_4bit'] === true) settings.quantization = 'nf4'
  const lora = loraOf(values)
  if (lora !== undefined) settings.lora = lora
  return settings
}

/** LoRA under a `lora` key, as fettle has it, or among the other keys. */
function loraOf(values: Values): LoraSettings | null | undefined {
  if (values['lora'] === null || values['finetuning_type'] === 'full') return null
  const block = isJsonObject(values['lora']) ? plainKeys(values['lora']) : values
  const r = numberOf(find(block, keys.r))
  const target = find(block, keys.targetModules)
  const isAsked =
    isJsonObject(values['lora']) ||
    r !== undefined ||
    target !== undefined ||
    values['finetuning_type'] === 'lora'
  if (!isAsked) return undefined
  const parameters = find(block, keys.targetParameters)
  const alpha = numberOf(find(block, keys.alpha))
  const saved = find(block, keys.modulesToSave)
  const tokens = find(block, keys.trainableTokens)
  return {
    ...(r !== undefined && { r }),
    ...(alpha !== undefined && { alpha }),
    ...(target !== undefined && target !== null && { targetModules: namesOf(target) }),
    ...(Array.isArray(parameters) && { targetParameters: parameters.map(String) }),
    ...(saved !== undefined && saved !== null && { modulesToSave: [namesOf(saved)].flat() }),
    ...(tokens !== undefined && tokens !== null && { trainableTokens: tokens }),
    useRslora: find(block, keys.useRslora) === true,
    values: block,
  }
}

/** LLaMA-Factory separates names by commas, and calls all of them `all`. */
function namesOf(value: unknown): string | string[] {
  if (Array.isArray(value)) return value.map(String)
  const text = String(value)
  if (text === 'all') return 'all-linear'
  return /^[\w.]+(,\s*[\w.]+)+$/.test(text) ? text.split(/,\s*/) : text
}

function dataOf(value: unknown): DataReference[] {
  const items: unknown[] = Array.isArray(value) ? value : [value]
  return items.flatMap((item): DataReference[] => {
    if (typeof item === 'string') return item.split(/,\s*/).map((path) => ({ path: fromHome(path) }))
    if (isJsonObject(item) && Array.isArray(item['path']))
      return item['path'].flatMap((path: unknown) => dataOf({ ...item, path }))
    if (!isJsonObject(item) || typeof item['path'] !== 'string') return []
    // Axolotl's `path: json` is a kind of file, and the files are named beside it.
    const files = dataOf(item['data_files'])
    if (files.length > 0) return files
    const texts = (key: string) =>
      isJsonObject(item[key]) ? (item[key] as Record<string, string>) : undefined
    const columns = texts('columns')
    const roles = texts('roles')
    const messageKeys = texts('messageKeys') ?? texts('message_keys')
    return [
      {
        path: fromHome(item['path']),
        ...(typeof item['config'] === 'string' && { config: item['config'] }),
        ...(typeof item['split'] === 'string' && { slice: item['split'] }),
        ...(typeof item['format'] === 'string' && { format: item['format'] }),
        ...(columns && { columns }),
        ...(roles && { roles }),
        ...(messageKeys && { messageKeys }),
      },
    ]
  })
}

function find(values: Values, names: readonly string[]): unknown {
  return names.map((name) => values[name]).find((value) => value !== undefined)
}

/** YAML 1.1 and 1.2 disagree about `2e-4`: a text that is a number counts as one. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string' || value.trim() === '') return undefined
  const number = Number(value)
  return Number.isFinite(number) ? number : undefined
}
