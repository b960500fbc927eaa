import type { Batch } from '../batch/index.ts'
import type { AutoModelForCausalLM } from '../model/index.ts'
import { internalsOf } from '../model/index.ts'
import { splitBatch } from './chunks.ts'
import type { EvalEvent } from './events.ts'

/**
 * Loss and stopping on held-out batches, without gradients.
 *
 * stop_probability is the mean of P(stop token) where the target is one, early_stop_probability the mean of
 * P(`stopTokenIds[0]`) at all other learned tokens.
 */
export async function evaluate(
  model: AutoModelForCausalLM,
  batches: Iterable<Batch>,
  stopTokenIds: readonly number[],
  passTokens: number,
  step: number,
): Promise<EvalEvent> {
  const sums = { loss: 0, tokens: 0, stop: 0, stops: 0, early: 0, others: 0 }
  for (const batch of batches) {
    for (const pass of splitBatch(batch, passTokens)) {
      const { losses, probeLosses, rows } = await internalsOf(model).passes.probe(pass, stopTokenIds[0] ?? 0)
      losses.forEach((loss, i) => {
        sums.loss += loss
        if (stopTokenIds.includes(pass.targets[rows[i]])) {
          sums.stop += Math.exp(-loss)
          sums.stops += 1
        } else {
          sums.early += Math.exp(-probeLosses[i])
          sums.others += 1
        }
      })
      sums.tokens += losses.length
    }
  }
  return {
    type: 'eval',
    step,
    loss: sums.loss / sums.tokens,
    learned_tokens: sums.tokens,
    stop_probability: sums.stops === 0 ? null : sums.stop / sums.stops,
    early_stop_probability: sums.others === 0 || stopTokenIds.length === 0 ? null : sums.early / sums.others,
  }
}
