import type { ModelState } from '../../state/model-state.ts'
import { turnOff, turnOn } from './several-adapters.ts'

/**
 * Runs passes by the model as it was before its adapter: without LoRA, and with what the adapter trains whole (modules to
 * save, biases, rows of tokens) as it was. Their programs stay compiled beside those with the adapter.
 *
 * @throws FettleError where a whole table is trained whose old numbers are nowhere any more
 */
export async function runWithoutAdapter<T>(state: ModelState, body: () => Promise<T>): Promise<T> {
  if (!state.adapter || state.isAdapterOff) return body()
  await turnOff(state)
  try {
    return await body()
  } finally {
    await turnOn(state)
  }
}
