import { FettleError, type Problem } from '../error.ts'

/** LoRA as PEFT defines it, in camelCase; files keep PEFT's own keys. */
export interface LoraConfig {
  r: number
  loraAlpha: number
  loraDropout: number
  /** Module names, suffixes of module paths, `all-linear`, or a regular expression for the whole path. */
  targetModules: string | string[]
  excludeModules?: string | string[]
  bias: 'none' | 'all' | 'lora_only'
  /** Scaling α/√r instead of α/r (Kalajdzievski 2023). */
  useRslora: boolean
  rankPattern: Record<string, number>
  alphaPattern: Record<string, number>
  layersToTransform?: number[]
  /** Modules that are trained whole and saved with the adapter: `lm_head`, `embed_tokens`. */
  modulesToSave?: string[]
  /**
   * Whether `modulesToSave` trains an embedding and the head that is tied to it as one. Without it they part: what
   * is not named keeps its values.
   */
  ensureWeightTying: boolean
  /**
   * Tokens whose rows are trained, and saved without the others: those of the embedding (with a tied head), or by
   * module, `embed_tokens` and `lm_head`. The way to train new tokens without an adapter of the embedding's size.
   */
  trainableTokenIndices?: number[] | Record<string, number[]>
  /** B starts at zero; `false` starts it at random too. */
  initLoraWeights: boolean
  taskType: 'CAUSAL_LM'
  baseModelNameOrPath?: string
}

const defaults: LoraConfig = {
  r: 8,
  loraAlpha: 8,
  loraDropout: 0,
  targetModules: 'all-linear',
  bias: 'none',
  useRslora: false,
  rankPattern: {},
  alphaPattern: {},
  initLoraWeights: true,
  ensureWeightTying: false,
  taskType: 'CAUSAL_LM',
}
const optionalKeys: readonly (keyof LoraConfig)[] = [
  'excludeModules',
  'layersToTransform',
  'modulesToSave',
  'trainableTokenIndices',
  'baseModelNameOrPath',
]

/**
 * PEFT's defaults, but for `all-linear`.
 *
 * @throws FettleError that lists every field that does not exist or has a value it cannot have
 */
export function loraConfig(options: Partial<LoraConfig> = {}): LoraConfig {
  const config = { ...defaults, ...options }
  const { r, loraAlpha, loraDropout, bias, rankPattern } = config
  const known: readonly string[] = [...Object.keys(defaults), ...optionalKeys]
  const problems: Problem[] = Object.keys(options)
    .filter((key) => !known.includes(key))
    .map((key) => ({ place: `lora.${key}`, found: 'an unknown field', expected: known.join(', ') }))
  const wrong = (field: string, found: unknown, expected: string) =>
    problems.push({ place: `lora.${field}`, found: String(found), expected })
  for (const [field, rank] of Object.entries({ r, ...rankPattern }))
    if (!Number.isInteger(rank) || rank < 1) wrong(field, rank, 'a whole number from 1')
  if (!(loraAlpha > 0)) wrong('loraAlpha', loraAlpha, 'a number above 0')
  if (!(loraDropout >= 0 && loraDropout < 1)) wrong('loraDropout', loraDropout, 'a number from 0, below 1')
  if (!['none', 'all', 'lora_only'].includes(bias)) wrong('bias', bias, 'none, all or lora_only')
  if (problems.length > 0) throw new FettleError(problems)
  return config
}

/** Rank and scaling of one adapted module. */
export interface ModuleAdapter {
  module: string
  rank: number
  /** α/r, or α/√r with rank-stabilised LoRA. */
  scaling: number
}

/**
 * Which modules an adapter changes, as PEFT matches them: a list matches whole paths or suffixes after a dot, a
 * string is `all-linear` or a regular expression for the whole path; patterns match suffixes.
 *
 * @param modules  paths of the linear layers of the decoder, `model.layers.0.self_attn.q_proj`
 * @throws FettleError when nothing matches, or a name of a list matches nothing
 */
export function matchModules(config: LoraConfig, modules: readonly string[]): ModuleAdapter[] {
  const { targetModules } = config
  const excluded = matcher(config.excludeModules ?? [])
  const layers = config.layersToTransform
  const isTarget = targetModules === 'all-linear' ? () => true : matcher(targetModules)
  const matched = modules.filter(
    (module) =>
      isTarget(module) && !excluded(module) && (!layers || layers.includes(layerOf(module) ?? Number.NaN)),
  )
  if (matched.length === 0) checkLayers(layers, modules)
  const unused = Array.isArray(targetModules)
    ? targetModules.filter((name) => !modules.some((module) => matchesSuffix(module, name)))
    : []
  if (matched.length === 0 || unused.length > 0) {
    const names = [...new Set(modules.map((module) => module.slice(module.lastIndexOf('.') + 1)))]
    throw new FettleError({
      place: 'lora.target_modules',
      found: `${JSON.stringify(unused.length > 0 ? unused : targetModules)}, which matches no linear layer`,
      expected: `all-linear, or some of ${names.join(', ')}`,
      cure: 'lm_head and embed_tokens are trained whole with modules_to_save.',
    })
  }
  return matched.map((module) => {
    const rank = patternValue(config.rankPattern, module) ?? config.r
    const alpha = patternValue(config.alphaPattern, module) ?? config.loraAlpha
    return { module, rank, scaling: alpha / (config.useRslora ? Math.sqrt(rank) : rank) }
  })
}

function layerOf(module: string): number | undefined {
  const found = /\.layers\.(\d+)\./.exec(module)
  return found ? Number(found[1]) : undefined
}

function checkLayers(layers: readonly number[] = [], modules: readonly string[]): void {
  const count = Math.max(...modules.map((module) => layerOf(module) ?? -1)) + 1
  const beyond = layers.filter((layer) => layer >= count)
  if (beyond.length > 0)
    throw new FettleError({
      place: 'lora.layers_to_transform',
      found: beyond.join(', '),
      expected: `layers from 0 to ${count - 1}`,
    })
}

function matcher(pattern: string | readonly string[]): (module: string) => boolean {
  if (typeof pattern !== 'string') return (module) => pattern.some((name) => matchesSuffix(module, name))
  let expression: RegExp
  try {
    expression = new RegExp(`^(?:${pattern})$`)
  } catch (error) {
    throw new FettleError(
      {
        place: 'lora.target_modules',
        found: `'${pattern}'`,
        expected: 'a list of names or a regular expression',
      },
      { cause: error },
    )
  }
  return (module) => expression.test(module)
}

function matchesSuffix(module: string, name: string): boolean {
  return module === name || module.endsWith(`.${name}`)
}

function patternValue(pattern: Record<string, number>, module: string): number | undefined {
  for (const [key, value] of Object.entries(pattern)) {
    if (matchesSuffix(module, key) || new RegExp(`^(?:.*\\.)?(?:${key})$`).test(module)) return value
  }
  return undefined
}
