import type { WeightForm } from '../../engine/quantization.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { ModelState } from '../model-state.ts'
import { slotTensor } from '../model-state.ts'
import { adaptableSlots } from './slots.ts'

/**
 * Holds the linear layers of the decoder as generation reads them fastest: bfloat16 as `bfloat12`, which has the same numbers. Not
 * of a model in training, which may let go of the pages that its weights have in their file.
 */
export function packForDecoding(state: ModelState): void {
  const { engine, frozen, packed, slots } = state
  if (!packs(state)) return
  for (const { key } of adaptableSlots(slots)) {
    const plain = packed.has(key) ? undefined : frozen.get(key)
    if (!plain) continue
    frozen.set(key, engine.quantized(plain, 'bfloat12'))
    engine.free(plain)
    packed.add(key)
    state.revision += 1
  }
}

/**
 * The head as generation reads it, a copy: in 8 bits of a quantised model, since each new token reads all of it. In 4 bits
 * too the head has 8, as llama.cpp keeps it finer than the rest. Losses and training read the head as it is stored.
 */
export function decodingHead(state: ModelState): Tensor {
  const { engine, slots, trainable, tokenRows } = state
  const slot = slots.head ?? slots.embed
  const head = slotTensor(state, slot)
  if (state.decodingHead && state.decodingHead.of !== head) {
    engine.free(state.decodingHead.tensor)
    state.decodingHead = null
  }
  const changes = trainable?.byKey.has(slot.key) === true || tokenRows !== null
  const form = headForm(state)
  if (!form || changes) return head
  state.decodingHead ??= { of: head, tensor: engine.quantized(head, form) }
  return state.decodingHead.tensor
}

function headForm(state: ModelState): WeightForm | null {
  if (state.quantization) return 'int8'
  return packs(state) ? 'bfloat12' : null
}

function packs({ engine, activation, quantization, training }: ModelState): boolean {
  return engine.prefersBfloat12 && activation === 'bfloat16' && !quantization && !training
}
