import type { WeightForm } from '../../engine/quantization.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { headOf, linearParameters } from '../blocks/architecture.ts'
import { holdAs, quantizationOf } from '../state/frozen-weights.ts'
import type { ModelState } from '../state/model-state.ts'
import { passTensors } from '../state/pass-tensors.ts'

/**
 * Holds the linear layers of the decoder as generation reads them fastest: bfloat16 as `bfloat12`, which has the same numbers. Not
 * of a model in training, which may let go of the pages that its weights have in their file.
 */
export function packForDecoding(state: ModelState): void {
  const { engine, frozen, forms, architecture } = state
  if (!packs(state)) return
  for (const parameter of linearParameters(architecture)) {
    const plain = forms.has(parameter.key) ? undefined : frozen.get(parameter.key)
    if (plain) holdAs(state, parameter, engine.quantized(plain, 'bfloat12'), 'bfloat12')
  }
}

/** Heads as generation reads them, and the tensors that they were made of. */
const decodingHeads = new WeakMap<ModelState, { of: Tensor; form: WeightForm; tensor: Tensor }>()

/**
 * The head as generation reads it, a copy: in 8 bits of a quantised model, since each new token reads all of it. In 4 bits
 * too the head has 8, as llama.cpp keeps it finer than the rest. Losses and training read the head as it is stored.
 */
export function decodingHead(state: ModelState): Tensor {
  const { engine, frozen, tokenRows } = state
  const parameter = headOf(state.architecture)
  const head = passTensors(state).tensor(parameter)
  const form = headForm(state)
  const kept = decodingHeads.get(state)
  if (kept && (kept.of !== head || (kept.form === 'int8' && form !== 'int8'))) {
    engine.free(kept.tensor)
    decodingHeads.delete(state)
  }
  // One that is trained, whole or in single rows, is read as it is, and so are blocks of a file.
  if (
    !form ||
    state.forms.get(parameter.key) === 'blocks' ||
    tokenRows !== null ||
    frozen.get(parameter.key) !== head
  )
    return head
  const copy = decodingHeads.get(state) ?? { of: head, form, tensor: engine.quantized(head, form) }
  decodingHeads.set(state, copy)
  return copy.tensor
}

function headForm(state: ModelState): WeightForm | null {
  if (quantizationOf(state)) return 'int8'
  return packs(state) ? 'bfloat12' : null
}

function packs(state: ModelState): boolean {
  const { engine, activation, isTraining } = state
  return engine.prefersBfloat12 && activation === 'bfloat16' && !quantizationOf(state) && !isTraining
}
