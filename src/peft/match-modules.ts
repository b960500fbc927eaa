import { FettleError } from '../error.ts'
import type { LoraConfig } from './lora-config.ts'

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

/** The last number in a path that stands behind a name, whatever it is called: `layers` here, `h` there. */
function layerOf(module: string): number | undefined {
  const found = /^.*\.[^.]*\.(\d+)\./.exec(module)
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
