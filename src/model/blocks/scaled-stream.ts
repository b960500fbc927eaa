import type { Parameter } from '../weights/parameters.ts'
import type { Block } from './architecture.ts'
import { present } from './forward-pass.ts'

/** factor · x, of one number that the model's files have. */
export function scaledStream(factor: Parameter): Block {
  return {
    parameters: [factor],
    mixesTokens: false,
    kept: { activations: 0, again: 0, float32: 0 },
    record: ({ tape, tensors }, x) =>
      present(tape.apply('scaleBy', { x, factor: tensors.tensor(factor) }, {}, { y: x }).y),
  }
}
