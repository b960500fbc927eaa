import type { LoraConfig } from './lora-config.ts'
import type { ModuleAdapter } from './match-modules.ts'

/** Types of models in which PEFT 0.21 takes these names of modules for experts', wherever they are (utils/transformers_weight_conversion.py). */
const renamed: Readonly<Record<string, RegExp>> = {
  mixtral: /\.(gate|w[123])$/,
  qwen2_moe: /\.(gate|gate_proj|up_proj|down_proj)$/,
  qwen3_moe: /\.(gate|gate_proj|up_proj|down_proj)$/,
}

/**
 * A configuration by which PEFT finds the modules of an adapter. It takes some names for those of experts: modules beside experts that
 * are called so (shared ones, layers without experts) are named by their weights in `target_parameters`, which computes the same
 * and calls their A and B the same, but has no dropout.
 *
 * @param modules  all modules with LoRA but experts
 */
export function savedTargets(
  config: LoraConfig,
  modules: readonly ModuleAdapter[],
  modelType: string,
): LoraConfig {
  const taken = renamed[modelType]
  const moved = taken && config.loraDropout === 0 ? modules.filter(({ module }) => taken.test(module)) : []
  if (moved.length === 0) return config
  const named = moved.map((adapter) => ({ ...adapter, name: `${adapter.module}.weight` }))
  // As it was given: the product may be a bit away.
  const alphaOf = ({ rank, scaling }: ModuleAdapter) =>
    Number((scaling * (config.useRslora ? Math.sqrt(rank) : rank)).toPrecision(12))
  const patterns = (own: Record<string, number>, usual: number, of: (adapter: ModuleAdapter) => number) => ({
    ...Object.fromEntries(
      named.filter((each) => of(each) !== usual).map((each) => [escaped(each.name), of(each)]),
    ),
    ...own,
  })
  return {
    ...config,
    targetModules: modules.filter((each) => !moved.includes(each)).map(({ module }) => module),
    targetParameters: [...new Set([...(config.targetParameters ?? []), ...named.map(({ name }) => name)])],
    rankPattern: patterns(config.rankPattern, config.r, ({ rank }) => rank),
    alphaPattern: patterns(config.alphaPattern, config.loraAlpha, alphaOf),
  }
}

/** Keys of patterns are regular expressions. */
function escaped(name: string): string {
  return name.replaceAll('.', String.raw`\.`)
}
