import type { ModuleAdapter } from '../../peft/index.ts'
import { linearParameters } from '../blocks/architecture.ts'
import type { ModelState } from '../state/model-state.ts'
import type { Parameter } from '../weights/parameters.ts'
import { moduleOf } from '../weights/parameters.ts'
import type { Transform } from '../weights/transforms.ts'

/** A parameter that LoRA adapts: its parts with their first row, rank (0: not adapted) and row in the stacked A. */
export interface AdaptedParameter {
  parameter: Parameter
  rows: number
  totalRank: number
  maxRank: number
  parts: {
    module: string
    firstRow: number
    rows: number
    firstRank: number
    adapter: ModuleAdapter | undefined
    /** What happens to B's rows between file and memory. */
    outputs: Transform | undefined
  }[]
}

/** The parameters that adapters of these modules act on. */
export function adaptedParameters(
  { architecture }: ModelState,
  modules: ReadonlyMap<string, ModuleAdapter>,
): AdaptedParameter[] {
  return linearParameters(architecture).flatMap((parameter) => {
    let firstRow = 0
    let firstRank = 0
    const parts = parameter.parts.map(({ rows, safetensors: { name, transform } }) => {
      const module = moduleOf(name)
      const adapter = modules.get(module)
      const part = { module, firstRow, rows, firstRank, adapter, outputs: transform?.outputs }
      firstRow += rows
      firstRank += adapter?.rank ?? 0
      return part
    })
    const maxRank = Math.max(...parts.map(({ adapter }) => adapter?.rank ?? 0))
    return maxRank === 0 ? [] : [{ parameter, rows: firstRow, totalRank: firstRank, maxRank, parts }]
  })
}
