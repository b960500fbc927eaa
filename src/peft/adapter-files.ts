import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError, messageOf } from '../error.ts'
import {
  makeFolder,
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
  writeFileAtomic,
  writeSafetensors,
} from '../formats/index.ts'
import type { LoraConfig } from './lora-config.ts'
import { loraConfig } from './lora-config.ts'

/** Names in adapter_model.safetensors are those of the wrapped model behind this prefix. */
const prefix = 'base_model.model.'

/** A named float32 tensor of an adapter; names as in adapter_model.safetensors. */
export interface AdapterTensor {
  name: string
  shape: readonly number[]
  data: Float32Array
}

/** `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight` */
export function adapterName(parameter: string): string {
  return `${prefix}${parameter}`
}

/** adapter_config.json in PEFT's keys. PEFT fills in what is absent. */
export function toPeftConfig(config: LoraConfig, targetModules: readonly string[]): Record<string, unknown> {
  // PEFT takes layers_to_transform with a list only.
  const isList = config.targetModules === 'all-linear' || config.layersToTransform !== undefined
  return {
    peft_type: 'LORA',
    task_type: config.taskType,
    base_model_name_or_path: config.baseModelNameOrPath ?? null,
    inference_mode: true,
    r: config.r,
    lora_alpha: config.loraAlpha,
    lora_dropout: config.loraDropout,
    target_modules:
      isList && !Array.isArray(config.targetModules) ? [...targetModules].toSorted() : config.targetModules,
    exclude_modules: config.excludeModules ?? null,
    bias: config.bias,
    use_rslora: config.useRslora,
    use_dora: false,
    fan_in_fan_out: false,
    init_lora_weights: config.initLoraWeights,
    rank_pattern: config.rankPattern,
    alpha_pattern: config.alphaPattern,
    layers_to_transform: config.layersToTransform ?? null,
    layers_pattern: null,
    modules_to_save: config.modulesToSave ?? null,
    // PEFT before 0.18 does not know it.
    ...(config.ensureWeightTying && { ensure_weight_tying: true }),
    trainable_token_indices: config.trainableTokenIndices ?? null,
    revision: null,
  }
}

/** Fields that change what an adapter computes and that fettle does not have; harmless only with these values. */
const unsupported: Record<string, readonly unknown[]> = {
  use_dora: [false],
  fan_in_fan_out: [false],
  lora_bias: [false],
  use_qalora: [false],
  layer_replication: [null],
  target_parameters: [null],
  use_bdlora: [null, false],
  alora_invocation_tokens: [null],
}

/** @throws FettleError when the folder has no adapter_config.json, or one that asks for what fettle has not */
export async function readAdapterConfig(folder: string): Promise<LoraConfig> {
  const place = join(folder, 'adapter_config.json')
  if (!existsSync(place))
    throw new FettleError({
      place: folder,
      found: 'no adapter_config.json',
      expected: 'a folder that PEFT or fettle saved an adapter to',
    })
  let raw: Record<string, unknown>
  try {
    raw = JSON.parse(await readFile(place, 'utf8')) as Record<string, unknown>
  } catch (error) {
    throw new FettleError({ place, found: `no JSON (${messageOf(error)})`, expected: 'PEFT’s configuration' })
  }
  if (raw['peft_type'] !== 'LORA')
    throw new FettleError({
      place,
      found: `peft_type ${JSON.stringify(raw['peft_type'])}`,
      expected: '"LORA"',
    })
  const problems = Object.entries(unsupported).flatMap(([key, harmless]) =>
    raw[key] === undefined || harmless.includes(raw[key])
      ? []
      : [{ place, found: `${key}: ${JSON.stringify(raw[key])}`, expected: JSON.stringify(harmless[0]) }],
  )
  if (problems.length > 0) throw new FettleError(problems)
  if (raw['target_modules'] === undefined || raw['target_modules'] === null)
    throw new FettleError({ place, found: 'no target_modules', expected: 'names of modules, or all-linear' })
  const optional = {
    excludeModules: raw['exclude_modules'],
    // PEFT takes a single layer as a number.
    layersToTransform:
      typeof raw['layers_to_transform'] === 'number'
        ? [raw['layers_to_transform']]
        : raw['layers_to_transform'],
    modulesToSave: raw['modules_to_save'],
    trainableTokenIndices: raw['trainable_token_indices'],
    baseModelNameOrPath: raw['base_model_name_or_path'],
  }
  const isSaid = (value: unknown) =>
    value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0)
  const given = Object.entries(optional).filter(([, value]) => isSaid(value))
  // What the file leaves out is as in PEFT's class, whose defaults are not those of `loraSchema`.
  return loraConfig({
    r: Number(raw['r'] ?? 8),
    loraAlpha: Number(raw['lora_alpha'] ?? 8),
    loraDropout: Number(raw['lora_dropout'] ?? 0),
    targetModules: raw['target_modules'] as string | string[],
    bias: (raw['bias'] ?? 'none') as LoraConfig['bias'],
    useRslora: raw['use_rslora'] === true,
    ensureWeightTying: raw['ensure_weight_tying'] === true,
    rankPattern: (raw['rank_pattern'] ?? {}) as Record<string, number>,
    alphaPattern: (raw['alpha_pattern'] ?? {}) as Record<string, number>,
    ...(Object.fromEntries(given) as Partial<LoraConfig>),
  })
}

/** Reads the tensors of an adapter, in float32. */
export async function readAdapterTensors(folder: string): Promise<Map<string, AdapterTensor>> {
  const path = join(folder, 'adapter_model.safetensors')
  if (!existsSync(path))
    throw new FettleError({
      place: folder,
      found: 'no adapter_model.safetensors',
      expected: 'the weights beside adapter_config.json',
      cure: 'An adapter saved as adapter_model.bin must be saved again by PEFT with safe_serialization=True.',
    })
  const { tensors } = await readSafetensorsHeader(path)
  const read = new Map<string, AdapterTensor>()
  for (const [name, info] of tensors)
    read.set(name, { name, shape: info.shape, data: toFloat32(await readTensorBytes(info), info.dtype) })
  return read
}

/** A tensor of an adapter that is read when it is written. */
export interface AdapterTensorToWrite extends Omit<AdapterTensor, 'data'> {
  data: () => Promise<Float32Array>
}

/** Writes adapter_model.safetensors first and adapter_config.json last: with the config there, the adapter is whole. */
export async function writeAdapter(
  folder: string,
  config: Record<string, unknown>,
  tensors: readonly AdapterTensorToWrite[],
): Promise<void> {
  await makeFolder(folder)
  await writeSafetensors(
    join(folder, 'adapter_model.safetensors'),
    tensors.map(({ name, shape, data }) => ({ name, shape, data, dtype: 'F32' as const })),
  )
  await writeFileAtomic(join(folder, 'adapter_config.json'), `${JSON.stringify(config, null, 2)}\n`)
}
