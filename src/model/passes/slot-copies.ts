import type { Engine, Program } from '../../engine/engine.ts'
import { createTape, rowsOf } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { SlotCopy } from '../../generate/index.ts'

/** Copies beginnings of sequences between the slots of caches [slots, capacity, width]. */
export function createSlotCopies(engine: Engine, caches: readonly (readonly Tensor[])[]) {
  let compiled: { program: Program; inputs: Record<'sources' | 'slots' | 'counts', Tensor> } | undefined
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
      await engine.run(program, { copies: copies.length })
    },
    free(): void {
      for (const tensor of Object.values(compiled?.inputs ?? {})) engine.free(tensor)
    },
  }

  function compile() {
    const tape = createTape()
    const [slotCount] = caches[0][0].shape
    const shape = [rowsOf('copies', slotCount)]
    const inputs = {
      sources: engine.tensor('int32', shape),
      slots: engine.tensor('int32', shape),
      counts: engine.tensor('int32', shape),
    }
    for (const [keyCache, valueCache] of caches)
      tape.apply('copySlots', { ...inputs, keyCache, valueCache }, {}, {})
    return { program: engine.compile(tape.commands(), []), inputs }
  }
}
