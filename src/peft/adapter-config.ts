import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { FettleError, quoteValue } from '../error.ts'
import { isOneOf, readForeign } from '../formats/foreign/index.ts'
import type { ForeignKeys, ForeignValues, UnobeyedKey } from '../formats/foreign/index.ts'
import { readJsonFile } from '../formats/index.ts'
import { fromPeftEva } from './eva.ts'
import type { LoadedInit, LoftqConfig, LoraConfig } from './lora-config.ts'
import { loadedInits, loftqFields, loraFields } from './lora-config.ts'

const cure = 'In PEFT, save the model of merge_and_unload(), and load that one here.'

/** A field that turns LoRA into something else. */
function without(expected: string, ...harmless: readonly unknown[]): UnobeyedKey {
  return { isHarmless: isOneOf(null, ...harmless), expected, cure }
}

const { r, loraAlpha, loraDropout, targetModules, targetParameters, excludeModules } = loraFields
const { bias, useRslora, useDora } = loraFields
const { rankPattern, alphaPattern, layersToTransform, modulesToSave, ensureWeightTying } = loraFields
const { trainableTokenIndices } = loraFields

/** An empty list asks for nothing. */
function orNothing<T extends z.ZodType>(field: T) {
  return z.union([field, z.array(z.never()).max(0)]).nullish()
}

/** What fettle knows of the fields of PEFT's LoraConfig (0.21), with the defaults of that class. */
const adapterKeys = {
  obeyed: z.object({
    peft_type: z.literal('LORA'),
    task_type: z.enum(['CAUSAL_LM', 'SEQ_CLS']).nullish(),
    base_model_name_or_path: z.string().nullish(),
    r: r.default(8),
    lora_alpha: loraAlpha.default(8),
    lora_dropout: loraDropout.default(0),
    target_modules: targetModules.nullish(),
    target_parameters: orNothing(targetParameters),
    exclude_modules: orNothing(excludeModules),
    bias: bias.default('none'),
    use_rslora: useRslora.nullish(),
    use_dora: useDora.nullish(),
    rank_pattern: rankPattern.nullish(),
    alpha_pattern: alphaPattern.nullish(),
    // PEFT takes a single layer as a number.
    layers_to_transform: z.union([z.int().min(0), orNothing(layersToTransform)]),
    layers_pattern: z.union([z.string(), z.array(z.string())]).nullish(),
    modules_to_save: orNothing(modulesToSave),
    ensure_weight_tying: ensureWeightTying.nullish(),
    trainable_token_indices: orNothing(trainableTokenIndices),
    loftq_config: z
      .object({ loftq_bits: loftqFields.loftqBits, loftq_iter: loftqFields.loftqIter })
      .nullish(),
  }),
  harmless: [
    'auto_mapping',
    'peft_version',
    'revision',
    'inference_mode',
    'runtime_config',
    // PEFT itself takes it for false where modules are linear, as all are that fettle knows.
    'fan_in_fan_out',
    // Of other frameworks, and of initialisations whose name says whether they matter.
    'megatron_config',
    'megatron_core',
    'eva_config',
    'corda_config',
    'lora_ga_config',
    'qalora_group_size',
  ],
  unobeyed: {
    lora_bias: without('false', false),
    use_qalora: without('false', false),
    use_bdlora: without('null', false),
    layer_replication: without('null'),
    alora_invocation_tokens: without('null: fettle has no activated LoRA'),
    arrow_config: without('null'),
    kasa_config: without('null'),
    monteclora_config: without('null'),
    // Only its gradients are others.
    velora_config: { ...without('null: training goes on as with plain LoRA'), severity: 'notice' },
    // Obeyed too, as far as these values go: see initOf.
    init_lora_weights: {
      isHarmless: (value) => value === null || typeof value === 'boolean' || initOf(value) !== undefined,
      expected: `true, false, ${loadedInits.join(' or ')}`,
      cure: `What it made of the base's weights cannot be had again from these files. PEFT's save_pretrained with path_initial_model_for_weight_conversion makes plain LoRA of PiSSA, OLoRA, CorDA and LoRA-GA; of any other, save the model of merge_and_unload().`,
    },
  },
} satisfies ForeignKeys

function loftqOf(given: { loftq_bits: 4 | 8; loftq_iter: number } | null | undefined): LoftqConfig {
  return { loftqBits: given?.loftq_bits ?? 4, loftqIter: given?.loftq_iter ?? 1 }
}

function isEmpty(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 0)
}

/** How LoRA's weights began, as PEFT spells it. */
function initOf(value: unknown): LoadedInit | undefined {
  return loadedInits.find(
    (init) => init === value || (init === 'olora' && String(value).toLowerCase() === init),
  )
}

/**
 * The configuration of an adapter that PEFT or fettle saved.
 *
 * @throws FettleError when the folder has no adapter_config.json, or one that is damaged or asks for what fettle has not
 */
export async function readAdapterConfig(folder: string): Promise<ForeignValues<LoraConfig>> {
  const place = join(folder, 'adapter_config.json')
  if (!existsSync(place))
    throw new FettleError({
      place: folder,
      found: 'no adapter_config.json',
      expected: 'a folder that PEFT or fettle saved an adapter to',
    })
  const raw = await readJsonFile(place)
  if (raw['peft_type'] !== 'LORA')
    throw new FettleError({
      place,
      found: `peft_type: ${quoteValue(raw['peft_type'])}`,
      expected: '"LORA"',
      cure,
    })
  const { values, notices } = readForeign(adapterKeys, raw, place)
  const targets = values.target_modules ?? []
  if (targets.length === 0 && isEmpty(values.target_parameters ?? null))
    throw new FettleError({
      place: `${place}: target_modules`,
      found: quoteValue(values.target_modules),
      expected: 'a text or a list of names, or target_parameters beside it',
    })
  const layers = values.layers_to_transform
  const optional = {
    baseModelNameOrPath: values.base_model_name_or_path,
    targetParameters: values.target_parameters,
    excludeModules: values.exclude_modules,
    layersToTransform: typeof layers === 'number' ? [layers] : layers,
    layersPattern:
      typeof values.layers_pattern === 'string' ? [values.layers_pattern] : values.layers_pattern,
    modulesToSave: values.modules_to_save,
    trainableTokenIndices: values.trainable_token_indices,
    evaConfig: raw['init_lora_weights'] === 'eva' ? fromPeftEva(raw['eva_config']) : undefined,
    loftqConfig: raw['init_lora_weights'] === 'loftq' ? loftqOf(values.loftq_config) : undefined,
  }
  const given = Object.entries(optional).filter(([, value]) => value !== undefined && !isEmpty(value))
  const config: LoraConfig = {
    taskType: values.task_type ?? 'CAUSAL_LM',
    r: values.r,
    loraAlpha: values.lora_alpha,
    loraDropout: values.lora_dropout,
    targetModules: targets,
    bias: values.bias,
    useRslora: values.use_rslora ?? false,
    useDora: values.use_dora ?? false,
    rankPattern: values.rank_pattern ?? {},
    alphaPattern: values.alpha_pattern ?? {},
    ensureWeightTying: values.ensure_weight_tying ?? false,
    initLoraWeights: initOf(raw['init_lora_weights']) ?? raw['init_lora_weights'] !== false,
    ...(Object.fromEntries(given) as Partial<LoraConfig>),
  }
  return { values: config, notices }
}
