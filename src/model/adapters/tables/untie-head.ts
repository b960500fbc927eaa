import type { ModelState } from '../../state/model-state.ts'
import { setArchitecture } from '../../state/model-state.ts'
import { copyFrozen } from '../../state/frozen-weights.ts'

/**
 * Gives a model whose head is its embedding matrix a head of its own with the same values, as PEFT does when
 * `modules_to_save` trains one of the two without `ensure_weight_tying`: the other keeps its values.
 */
export async function untieHead(state: ModelState): Promise<void> {
  const { architecture } = state
  await copyFrozen(state, architecture.embedding.table, architecture.head)
  setArchitecture(state, { ...architecture, isTied: false }, { tie_word_embeddings: false })
}
