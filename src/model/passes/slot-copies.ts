import type { Engine, Program } from '../../engine/engine.ts'
import { createTape, rowsOf } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { SlotCopy } from '../../generate/index.ts'

/**
 * Copies sequences between slots.
 *
 * @param beginnings  caches [slots, capacity, width], of which as many positions are copied as are asked for
 * @param wholes      states [slots, positions, width], which are copied whole
 */
export function createSlotCopies(
  engine: Engine,
  slotCount: number,
  { beginnings, wholes }: { beginnings: readonly Tensor[]; wholes: readonly Tensor[] },
) {
  let compiled: { program: Program; inputs: Record<'sources' | 'slots' | 'counts', Tensor> } | undefined
  const wholeCounts = new Map<number, Tensor>()
  return {
    async run(copies: readonly SlotCopy[]): Promise<void> {
      compiled ??= compile()
      const { program, inputs } = compiled
      engine.write(
        inputs.sources,
        Int32Array.from(copies, ({ source }) => source),
      )
      engine.write(
        inputs.slots,
        Int32Array.from(copies, ({ slot }) => slot),
      )
      engine.write(
        inputs.counts,
        Int32Array.from(copies, ({ count }) => count),
      )
      for (const [positions, counts] of wholeCounts)
        engine.write(counts, new Int32Array(copies.length).fill(positions))
      await engine.run(program, { copies: copies.length })
    },
    free(): void {
      for (const tensor of [...Object.values(compiled?.inputs ?? {}), ...wholeCounts.values()])
        engine.free(tensor)
    },
  }

  function compile() {
    const tape = createTape()
    const shape = [rowsOf('copies', slotCount)]
    const inputs = {
      sources: engine.tensor('int32', shape),
      slots: engine.tensor('int32', shape),
      counts: engine.tensor('int32', shape),
    }
    for (const cache of beginnings) tape.apply('copySlots', { ...inputs, cache }, {}, {})
    for (const cache of wholes) {
      const [, positions] = cache.shape
      const counts = wholeCounts.get(positions) ?? engine.tensor('int32', shape)
      wholeCounts.set(positions, counts)
      tape.apply('copySlots', { ...inputs, counts, cache }, {}, {})
    }
    return { program: engine.compile(tape.commands(), []), inputs }
  }
}
