import type { ModuleAdapter } from '../../peft/index.ts'
import type { ModelState } from '../model-state.ts'
import type { Slot } from '../weights/slots.ts'
import { adaptableSlots, moduleOf } from '../weights/slots.ts'

/** A slot that LoRA adapts: its parts with their first row, rank (0: not adapted) and row in the stacked A. */
export interface AdaptedSlot {
  slot: Slot
  rows: number
  totalRank: number
  maxRank: number
  parts: {
    module: string
    firstRow: number
    rows: number
    firstRank: number
    adapter: ModuleAdapter | undefined
  }[]
}

/** The slots that adapters of these modules act on. */
export function adaptedSlots(state: ModelState, modules: ReadonlyMap<string, ModuleAdapter>): AdaptedSlot[] {
  return adaptableSlots(state.slots).flatMap((slot) => {
    let firstRow = 0
    let firstRank = 0
    const parts = slot.parts.map(({ name, rows }) => {
      const module = moduleOf(name)
      const adapter = modules.get(module)
      const part = { module, firstRow, rows, firstRank, adapter }
      firstRow += rows
      firstRank += adapter?.rank ?? 0
      return part
    })
    const maxRank = Math.max(...parts.map(({ adapter }) => adapter?.rank ?? 0))
    return maxRank === 0 ? [] : [{ slot, rows: firstRow, totalRank: firstRank, maxRank, parts }]
  })
}
