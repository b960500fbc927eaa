import { splitBatch, type TrainingBatch } from '../batch/index.ts'
import { FettleError } from '../error.ts'
import type { ModelInternals, Passes, Scores } from '../model/index.ts'

/** Forward passes over whole batches, for objectives: divided as training is, and without gradients or dropout. */
export interface ForwardPasses {
  /** log P(target) of the m learned tokens. */
  logProbs(batch: TrainingBatch<unknown>): Promise<Float32Array>
  /**
   * The same by the model without its adapter.
   *
   * @throws FettleError where the model's own weights are trained
   */
  reference(batch: TrainingBatch<unknown>): Promise<Float32Array>
  /** Also what it would be if this token were the target of each, and the likeliest token in the place of each. */
  alternative(batch: TrainingBatch<unknown>, token: number): Promise<Scores>
}

/** @param perPass  tokens of a pass */
export function createForwardPasses(
  { passes, withoutAdapter, state }: Pick<ModelInternals, 'passes' | 'withoutAdapter' | 'state'>,
  perPass: number,
): ForwardPasses {
  const logProbs = async (by: Passes, batch: TrainingBatch<unknown>): Promise<Float32Array> => {
    const parts: Float32Array[] = []
    for (const part of splitBatch(batch, perPass)) parts.push(await by.logProbs(part))
    return joined(parts)
  }
  return {
    logProbs: (batch) => logProbs(passes, batch),
    async reference(batch) {
      if (state.adapter) return withoutAdapter((plain) => logProbs(plain, batch))
      throw new FettleError({
        place: 'reference',
        found: 'a model whose own weights are trained',
        expected: 'an adapter, which can be switched off',
        cure: 'Train with lora, or compute what the reference says before training.',
      })
    },
    async alternative(batch, token) {
      const parts = []
      for (const part of splitBatch(batch, perPass)) parts.push(await passes.alternative(part, token))
      return {
        logProbs: joined(parts.map((part) => part.logProbs)),
        alternative: joined(parts.map((part) => part.alternative)),
        best: Int32Array.from(parts.flatMap(({ best }) => [...best])),
      }
    },
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
