import { ropesOf } from '../blocks/architecture.ts'
import { ropeFrequencies, ropeTables } from '../blocks/rope.ts'
import type { ModelState } from './model-state.ts'
import { writable } from './model-state.ts'

/** Makes the rotation tables [positions, rotaryDim / 2] at least so long; longer ones are powers of two. */
export function ensurePositions(state: ModelState, positions: number): void {
  const { engine } = state
  const written = writable(state)
  for (const rope of ropesOf(state.architecture)) {
    const old = state.rotations.get(rope)
    if (old && positions <= old.cos.shape[0]) continue
    const length = old ? 2 ** Math.ceil(Math.log2(positions)) : positions
    const { cos, sin } = ropeTables(ropeFrequencies(rope), length)
    const shape = [length, rope.rotaryDim / 2]
    written.rotations.set(rope, {
      cos: engine.tensor('float32', shape, cos),
      sin: engine.tensor('float32', shape, sin),
    })
    if (old) for (const tensor of [old.cos, old.sin]) engine.free(tensor)
    written.revision += 1
  }
}
