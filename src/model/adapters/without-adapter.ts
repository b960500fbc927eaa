import { loadBase } from '../state/base-weights.ts'
import type { ModelState } from '../state/model-state.ts'
import { switchAdapter } from '../state/model-state.ts'
import { putBaseRows, refreshTokenRows } from './token-rows.ts'

/**
 * Runs passes by the model as it was before its adapter: without LoRA, and with what the adapter trains whole (modules to
 * save, biases, rows of tokens) as it was. Their programs stay compiled beside those with the adapter.
 *
 * @throws FettleError where a whole table is trained whose old numbers are nowhere any more
 */
export async function runWithoutAdapter<T>(state: ModelState, body: () => Promise<T>): Promise<T> {
  if (!state.adapter || state.isAdapterOff) return body()
  await loadBase(state)
  putBaseRows(state)
  switchAdapter(state, true)
  try {
    return await body()
  } finally {
    switchAdapter(state, false)
    await refreshTokenRows(state)
  }
}
