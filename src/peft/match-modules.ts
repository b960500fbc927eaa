import { FettleError, quoteValue } from '../error.ts'
import { compilePattern } from '../patterns/index.ts'
import type { LoraConfig } from './lora-config.ts'
import { checkParameterNames, matchParameters } from './match-parameters.ts'

/** Rank and scaling of one adapted module. */
export interface ModuleAdapter {
  module: string
  rank: number
  /** α/r, or α/√r with rank-stabilised LoRA. */
  scaling: number
}

/** The modules that an adapter may change. */
export interface AdaptableModules {
  /** Paths of the linear layers of the decoder, `model.layers.0.self_attn.q_proj`. */
  linear: readonly string[]
  /** Embedding and head, which `all-linear` does not mean. */
  tables: readonly string[]
  /** Tensors of all experts of a layer, `model.layers.0.mlp.experts.gate_up_proj`, which only `target_parameters` means. */
  experts?: readonly string[]
}

/**
 * Which modules an adapter changes, as PEFT matches them: a list matches whole paths or suffixes after a dot, a
 * string is `all-linear` or a regular expression for the whole path; patterns match suffixes. What `modules_to_save` trains
 * whole is none of them.
 *
 * @param prefix  of the names of its fields, for messages
 * @throws FettleError when nothing matches
 */
export function matchModules(
  config: LoraConfig,
  modules: AdaptableModules,
  prefix = 'lora.',
): ModuleAdapter[] {
  const { targetModules, modulesToSave = [] } = config
  const isExcluded = matcher(config.excludeModules ?? [], `${prefix}exclude_modules`)
  const isTarget =
    targetModules === 'all-linear' ? () => true : matcher(targetModules, `${prefix}target_modules`)
  const isOfLayers = layerMatcher(config, prefix)
  const whole = modulesToSave.map((name) =>
    wholeMatcher(String.raw`(?:^|.*\.)${name}(?:$|\..*)`, `${prefix}modules_to_save`),
  )
  const isWhole = (module: string) => whole.some((matches) => matches(module))
  const adaptable = targetModules === 'all-linear' ? modules.linear : [...modules.linear, ...modules.tables]
  const matched = adaptable.filter(
    (module) => isTarget(module) && !isExcluded(module) && !isWhole(module) && isOfLayers(module),
  )
  const parameters = matchParameters(config, adaptableParameters(modules))
  if (matched.length === 0 && parameters.length === 0) {
    checkLayers(config.layersToTransform, modules.linear)
    throw noModule(prefix, targetModules, modules)
  }
  const adapterOf = moduleAdapters(config, prefix)
  const twice = parameters.find((name) => matched.includes(linearOf(name)))
  if (twice !== undefined)
    throw new FettleError({
      place: `${prefix}target_parameters`,
      found: `${quoteValue(twice)}, whose module is among target_modules, too`,
      expected: 'one of the two',
    })
  return [
    ...matched.map(adapterOf),
    ...parameters.map((name) => ({ ...adapterOf(name), module: linearOf(name) })),
  ]
}

/** Rank and scaling of a module by its path, if it is adapted. */
export function moduleAdapters(config: LoraConfig, prefix = 'lora.'): (name: string) => ModuleAdapter {
  const rankOf = patternValues(config.rankPattern, `${prefix}rank_pattern`)
  const alphaOf = patternValues(config.alphaPattern, `${prefix}alpha_pattern`)
  return (name) => {
    const rank = rankOf(name) ?? config.r
    const alpha = alphaOf(name) ?? config.loraAlpha
    return { module: name, rank, scaling: alpha / (config.useRslora ? Math.sqrt(rank) : rank) }
  }
}

/** Names of all tensors that LoRA can be on: experts', and the weights of linear layers. */
export function adaptableParameters({ linear, experts = [] }: AdaptableModules): string[] {
  return [...experts, ...linear.map((module) => `${module}.weight`)]
}

/** `q_proj` of `q_proj.weight`; experts are what they are called. */
function linearOf(parameter: string): string {
  return parameter.endsWith('.weight') ? parameter.slice(0, -'.weight'.length) : parameter
}

/**
 * For an adapter that is new: each name of the list means some module, or it was mistyped. PEFT takes such names, and so does
 * whoever loads what it saved.
 */
export function checkTargets(config: LoraConfig, modules: AdaptableModules): void {
  const { targetModules } = config
  checkParameterNames(config, adaptableParameters(modules))
  if (!Array.isArray(targetModules)) return
  const all = [...modules.linear, ...modules.tables]
  const unused = targetModules.filter((name) => !all.some((module) => matchesSuffix(module, name)))
  if (unused.length > 0) throw noModule('lora.', unused, modules)
}

function noModule(
  prefix: string,
  found: string | readonly string[],
  { linear, experts = [] }: AdaptableModules,
): FettleError {
  const names = [...new Set(linear.map((module) => module.slice(module.lastIndexOf('.') + 1)))]
  return new FettleError({
    place: `${prefix}target_modules`,
    found: `${quoteValue(found)}, which matches no linear layer`,
    expected: `all-linear, or some of ${names.join(', ')}`,
    cure: `${experts.length > 0 ? 'Experts are adapted by target_parameters. ' : ''}lm_head and embed_tokens are adapted where they are named, or trained whole with modules_to_save.`,
  })
}

/**
 * Whether a module is in one of the layers that an adapter is of. Modules that a list names by their whole path are, whatever
 * layer they are in.
 */
function layerMatcher(
  { layersToTransform, layersPattern = [], targetModules }: LoraConfig,
  prefix: string,
): (module: string) => boolean {
  if (layersToTransform === undefined) return () => true
  const lists = layersPattern.map((name) =>
    wholeMatcher(String.raw`(?:^|.*?\.)${name}`, `${prefix}layers_pattern`),
  )
  const layer = (module: string) =>
    lists.length === 0
      ? layerOf(module)
      : lists.map((isList) => layerOf(module, isList)).find((found) => found !== undefined)
  return (module) =>
    (Array.isArray(targetModules) && targetModules.includes(module)) ||
    layersToTransform.includes(layer(module) ?? Number.NaN)
}

/**
 * The first number in a path that stands behind the path of a list: `model.layers` or `transformer.h`, whatever it is called.
 * Later ones count experts.
 */
function layerOf(
  module: string,
  isList: (path: string) => boolean = (path) => path.includes('.'),
): number | undefined {
  const names = module.split('.')
  const place = names.findIndex(
    (name, i) => i < names.length - 1 && /^\d+$/.test(name) && isList(names.slice(0, i).join('.')),
  )
  return place < 0 ? undefined : Number(names[place])
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

function matcher(pattern: string | readonly string[], place: string): (module: string) => boolean {
  if (typeof pattern === 'string') return wholeMatcher(pattern, place)
  return (module) => pattern.some((name) => matchesSuffix(module, name))
}

/** Whether a regular expression of Python matches the whole path. */
function wholeMatcher(pattern: string, place: string): (module: string) => boolean {
  const compiled = compilePattern(pattern, 'python', place)
  return (module) => compiled.matchesWhole(module)
}

function matchesSuffix(module: string, name: string): boolean {
  return module === name || module.endsWith(`.${name}`)
}

/** The value of the first key that is the end of a module's path, or a regular expression for that. */
function patternValues(
  pattern: Record<string, number>,
  place: string,
): (module: string) => number | undefined {
  const entries = Object.entries(pattern).map(([key, value]) => {
    const matches = wholeMatcher(String.raw`(?:.*\.)?(?:${key})`, place)
    return { matches: (module: string) => matchesSuffix(module, key) || matches(module), value }
  })
  return (module) => entries.find(({ matches }) => matches(module))?.value
}
