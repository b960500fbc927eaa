import { splitBatch, type TrainingBatch } from '../batch/index.ts'
import type { Passes } from '../model/index.ts'

/** Forward passes over whole batches, for objectives: divided as training is, and without gradients or dropout. */
export interface ForwardPasses {
  /** log P(target) of the m learned tokens. */
  logProbs(batch: TrainingBatch<unknown>): Promise<Float32Array>
  /** The same by the model without its adapter. */
  reference(batch: TrainingBatch<unknown>): Promise<Float32Array>
  /** Also what it would be if this token were the target of each. */
  alternative(
    batch: TrainingBatch<unknown>,
    token: number,
  ): Promise<{ logProbs: Float32Array; alternative: Float32Array }>
}

/** @param perPass  tokens of a pass */
export function createForwardPasses(passes: Passes, perPass: number): ForwardPasses {
  const divided = async <R>(
    batch: TrainingBatch<unknown>,
    pass: (part: TrainingBatch<unknown>) => Promise<R>,
  ) => {
    const results: R[] = []
    for (const part of splitBatch(batch, perPass)) results.push(await pass(part))
    return results
  }
  return {
    logProbs: async (batch) => joined(await divided(batch, (part) => passes.logProbs(part))),
    reference: async (batch) => joined(await divided(batch, (part) => passes.reference(part))),
    async alternative(batch, token) {
      const results = await divided(batch, (part) => passes.alternative(part, token))
      return {
        logProbs: joined(results.map(({ logProbs }) => logProbs)),
        alternative: joined(results.map(({ alternative }) => alternative)),
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
