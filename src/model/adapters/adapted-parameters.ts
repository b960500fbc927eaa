import type { ModuleAdapter } from '../../peft/index.ts'
import { projectionsOf } from '../blocks/architecture.ts'
import type { ModelState } from '../state/model-state.ts'
import type { Parameter } from '../weights/parameters.ts'
import { moduleOf, rowCount } from '../weights/parameters.ts'
import type { Transform } from '../weights/transforms.ts'

/**
 * A parameter that LoRA adapts: its parts with their first row, rank (0: not adapted) and row in the stacked A. The matrices of experts
 * are one part, in which each expert has an A and a B of its own.
 */
export interface AdaptedParameter {
  parameter: Parameter
  /** How many matrices have A and B of their own, one below the other; 1 but for experts. */
  count: number
  rows: number
  totalRank: number
  maxRank: number
  parts: AdaptedPart[]
}

interface AdaptedPart {
  module: string
  /** What stands before `lora_A` in the adapter's file; experts differ from their module there. */
  stem: string
  firstRow: number
  rows: number
  firstRank: number
  adapter: ModuleAdapter | undefined
  /** What happens to B's rows between file and memory. */
  outputs: Transform | undefined
}

/** The parameters that adapters of these modules act on. */
export function adaptedParameters(
  { architecture }: ModelState,
  modules: ReadonlyMap<string, ModuleAdapter>,
): AdaptedParameter[] {
  const projections = projectionsOf(architecture)
  const stems = stemsOf(projections, modules)
  return projections.flatMap((parameter) =>
    parameter.experts
      ? adaptedExperts(parameter, parameter.experts, modules, stems)
      : adaptedLinear(parameter, modules),
  )
}

function adaptedLinear(
  parameter: Parameter,
  modules: ReadonlyMap<string, ModuleAdapter>,
): AdaptedParameter[] {
  let firstRow = 0
  let firstRank = 0
  const parts = parameter.parts.map(({ rows, safetensors: { name, transform } }) => {
    const module = moduleOf(name)
    const adapter = modules.get(module)
    const part = {
      module,
      stem: module,
      firstRow,
      rows,
      firstRank,
      adapter,
      outputs: transform?.outputs,
    }
    firstRow += rows
    firstRank += adapter?.rank ?? 0
    return part
  })
  const maxRank = Math.max(...parts.map(({ adapter }) => adapter?.rank ?? 0))
  return maxRank === 0 ? [] : [{ parameter, count: 1, rows: firstRow, totalRank: firstRank, maxRank, parts }]
}

function adaptedExperts(
  parameter: Parameter,
  { count, name, outputs }: NonNullable<Parameter['experts']>,
  modules: ReadonlyMap<string, ModuleAdapter>,
  stems: ReadonlyMap<string, string>,
): AdaptedParameter[] {
  const adapter = modules.get(name)
  if (!adapter) return []
  const rows = rowCount(parameter)
  const stem = stems.get(name) ?? moduleOf(name)
  const part = { module: name, stem, firstRow: 0, rows, firstRank: 0, adapter, outputs }
  const { rank } = adapter
  return [{ parameter, count, rows, totalRank: count * rank, maxRank: rank, parts: [part] }]
}

/** PEFT wraps a module once for each of its tensors: the last one is outermost, and the others lie in its `base_layer`. */
function stemsOf(
  projections: readonly Parameter[],
  modules: ReadonlyMap<string, ModuleAdapter>,
): Map<string, string> {
  const names = projections.flatMap(({ experts }) =>
    experts && modules.has(experts.name) ? [experts.name] : [],
  )
  return new Map(
    names.map((name, i) => {
      const module = moduleOf(name)
      const outside = names.slice(i + 1).filter((other) => moduleOf(other) === module)
      return [name, `${module}${'.base_layer'.repeat(outside.length)}`]
    }),
  )
}
