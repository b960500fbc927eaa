import type { Program } from '../../engine/engine.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { ModelState } from '../state/model-state.ts'

/** A compiled pass with the tensors that are filled before it runs and read after it. */
export interface CompiledPass<Inputs extends Record<string, Tensor>, Outputs extends Record<string, Tensor>> {
  program: Program
  inputs: Inputs
  outputs: Outputs
}

/** How many shapes are kept compiled: enough for steady batches, few enough that odd ones do not pile up. */
const kept = 8

/** Compiled passes by shape, for each adapter and for none; everything is dropped when the model's tensors change. */
export function createProgramCache<
  Inputs extends Record<string, Tensor>,
  Outputs extends Record<string, Tensor>,
>(state: ModelState) {
  type Passes = Map<string, CompiledPass<Inputs, Outputs>>
  const variants = new Map<number, Passes>()
  let revision = state.revision
  const drop = (passes: Passes, key: string, pass: CompiledPass<Inputs, Outputs>) => {
    for (const tensor of Object.values(pass.inputs)) state.engine.free(tensor)
    passes.delete(key)
  }
  const clear = () => {
    for (const passes of variants.values()) for (const [key, pass] of passes) drop(passes, key, pass)
    variants.clear()
  }
  return {
    get(key: string, compile: () => CompiledPass<Inputs, Outputs>): CompiledPass<Inputs, Outputs> {
      if (revision !== state.revision) {
        clear()
        revision = state.revision
      }
      const variant = state.isAdapterOff ? 0 : state.variant
      const passes: Passes = variants.get(variant) ?? new Map()
      variants.set(variant, passes)
      let pass = passes.get(key)
      if (pass) passes.delete(key)
      else pass = compile()
      passes.set(key, pass)
      const [oldest] = passes
      if (passes.size > kept) drop(passes, oldest[0], oldest[1])
      return pass
    },
    clear,
  }
}
