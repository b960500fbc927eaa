import { FettleError } from '../../error.ts'
import { linearParameters } from '../blocks/architecture.ts'
import type { ModelState } from '../state/model-state.ts'
import { beginTraining } from '../state/model-state.ts'
import { createOptimiser } from './optimiser.ts'
import { putTokenRows } from '../adapters/token-rows.ts'

/** The optimiser of what is trainable, and the flat state that a checkpoint holds. */
export function trainingState(state: ModelState) {
  const optimiser = createOptimiser(state)
  const { engine, trainable } = state
  if (!trainable) throw new Error('nothing is trainable')
  beginTraining(state)
  const flat = { parameters: trainable.parameters, m: optimiser.m, v: optimiser.v }
  return {
    optimiser,
    /** Lets go of this share of the layers' frozen weights after each use; 0 of none. */
    streamWeights(share: number): void {
      const { layers } = state.architecture
      const streamed = linearParameters(layers.slice(0, Math.round(share * layers.length)))
      engine.stream(streamed.flatMap(({ key }) => state.frozen.get(key) ?? []))
    },
    /** Gives back the memory of the passes, for what is not training: saving, or the end. */
    rest: () => engine.release(),
    /** Parameters and moments, flat: of `size` values those from `start` on. */
    async readState(name: keyof typeof flat, start = 0, end = trainable.size): Promise<Float32Array> {
      const part = engine.view(flat[name], start, [end - start])
      const values = (await engine.read(part)) as Float32Array
      engine.free(part)
      return values
    },
    writeState(saved: { [K in keyof typeof flat]: Float32Array }): void {
      for (const key of ['parameters', 'm', 'v'] as const) {
        if (saved[key].length !== trainable.size)
          throw new FettleError({
            place: `checkpoint: ${key}`,
            found: `${saved[key].length} values`,
            expected: `${trainable.size}`,
            cure: 'The checkpoint belongs to another model or another lora section.',
          })
        engine.write(flat[key], saved[key])
      }
      putTokenRows(state, saved.parameters)
    },
  }
}
