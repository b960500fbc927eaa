import type { Tensor } from '../engine/tensor.ts'
import type { ModelState } from './model-state.ts'
import { slotTensor } from './model-state.ts'

/**
 * The head as generation reads it: of a quantised model a copy in 8 bits, since each new token reads all of it. In 4 bits
 * too the head has 8, as llama.cpp keeps it finer than the rest. Losses and training read the head as it is stored.
 */
export function decodingHead(state: ModelState): Tensor {
  const { engine, slots, quantization, trainable, tokenRows } = state
  const slot = slots.head ?? slots.embed
  const head = slotTensor(state, slot)
  if (state.decodingHead && state.decodingHead.of !== head) {
    engine.free(state.decodingHead.tensor)
    state.decodingHead = null
  }
  const changes = trainable?.byKey.has(slot.key) === true || tokenRows !== null
  if (!quantization || changes) return head
  state.decodingHead ??= { of: head, tensor: engine.quantized(head, 'int8') }
  return state.decodingHead.tensor
}
