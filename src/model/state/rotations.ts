import { ropesOf } from '../blocks/architecture.ts'
import type { Rope } from '../blocks/rope.ts'
import { ropeTables, tableVersion } from '../blocks/rope.ts'
import type { ModelState, Rotation } from './model-state.ts'
import { writable } from './model-state.ts'

/**
 * Makes the rotation tables [positions, rotaryDim / 2] at least so long, for passes whose longest sequence has `longest` tokens;
 * longer ones are powers of two. Where only the numbers are others, compiled passes stay.
 */
export function ensurePositions(state: ModelState, positions: number, longest = positions): void {
  const { engine } = state
  const written = writable(state)
  for (const rope of ropesOf(state.architecture)) {
    const old = state.rotations.get(rope)
    const version = tableVersion(rope, longest)
    if (old && positions <= old.rows && version === old.version) continue
    const length = old ? 2 ** Math.ceil(Math.log2(positions)) : positions
    if (old && positions <= old.cos.shape[0]) {
      const rows = Math.min(length, old.cos.shape[0])
      const { cos, sin } = ropeTables(rope, rows, longest)
      engine.write(old.cos, cos)
      engine.write(old.sin, sin)
      written.rotations.set(rope, { ...old, version, rows })
      continue
    }
    written.rotations.set(rope, makeRotation(state, rope, length, longest))
    if (old) for (const tensor of [old.cos, old.sin]) engine.free(tensor)
    written.revision += 1
  }
}

function makeRotation({ engine }: ModelState, rope: Rope, rows: number, longest: number): Rotation {
  const { cos, sin } = ropeTables(rope, rows, longest)
  const shape = [rows, rope.rotaryDim / 2]
  return {
    cos: engine.tensor('float32', shape, cos),
    sin: engine.tensor('float32', shape, sin),
    version: tableVersion(rope, longest),
    rows,
  }
}
