import type { ModelState } from '../model-state.ts'
import { readSlot, setFrozen } from '../model-state.ts'
import { modelSlots } from '../weights/slots.ts'

/**
 * Gives a model whose head is its embedding matrix a head of its own with the same values, as PEFT does when
 * `modules_to_save` trains one of the two without `ensure_weight_tying`: the other keeps its values.
 */
export async function untieHead(state: ModelState): Promise<void> {
  const { config, slots } = state
  const values = await readSlot(state, slots.embed)
  config.tiedEmbeddings = false
  config.raw['tie_word_embeddings'] = false
  Object.assign(slots, modelSlots(config))
  if (slots.head) await setFrozen(state, slots.head, values)
  state.revision += 1
}
