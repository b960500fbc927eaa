import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FettleError } from '../error.ts'
import {
  makeFolder,
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
  writeFileAtomic,
  writeSafetensors,
} from '../formats/index.ts'
import { evaConfig, toPeftEva } from './eva.ts'
import type { LoraConfig } from './lora-config.ts'

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
    ...(config.targetParameters && { target_parameters: config.targetParameters }),
    exclude_modules: config.excludeModules ?? null,
    bias: config.bias,
    use_rslora: config.useRslora,
    use_dora: config.useDora,
    fan_in_fan_out: false,
    init_lora_weights: config.initLoraWeights,
    ...(config.initLoraWeights === 'loftq' && {
      loftq_config: {
        loftq_bits: config.loftqConfig?.loftqBits ?? 4,
        loftq_iter: config.loftqConfig?.loftqIter ?? 1,
      },
    }),
    ...(config.initLoraWeights === 'eva' && {
      eva_config: toPeftEva(evaConfig.parse(config.evaConfig ?? {})),
    }),
    rank_pattern: config.rankPattern,
    alpha_pattern: config.alphaPattern,
    layers_to_transform: config.layersToTransform ?? null,
    layers_pattern: config.layersPattern ?? null,
    modules_to_save: config.modulesToSave ?? null,
    // PEFT before 0.18 does not know it.
    ...(config.ensureWeightTying && { ensure_weight_tying: true }),
    trainable_token_indices: config.trainableTokenIndices ?? null,
    revision: null,
  }
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
