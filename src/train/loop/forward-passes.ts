import { splitBatch, type TrainingBatch } from '../../batch/index.ts'
import { FettleError } from '../../error.ts'
import type { ModelInternals, Passes, Scores, TokenDescription } from '../../model/index.ts'
import type { ReferenceCopy } from './reference.ts'

/** Forward passes over whole batches, for objectives: divided as training is, at its temperature, and without gradients or dropout. */
export interface ForwardPasses {
  /** log P(target) of the m learned tokens. */
  logProbs(batch: TrainingBatch<unknown>): Promise<Float32Array>
  /**
   * The same by the reference: the model without its adapter, or as it was when training began.
   *
   * @throws FettleError where the model's own weights are trained
   */
  reference(batch: TrainingBatch<unknown>): Promise<Float32Array>
  /** `logProbs`, and what is told of the distributions that they are of. */
  described(batch: TrainingBatch<unknown>): Promise<{ logProbs: Float32Array; description: TokenDescription }>
  /** Also what it would be if this token were the target of each, and the likeliest token in the place of each. */
  alternative(batch: TrainingBatch<unknown>, token: number): Promise<Scores>
}

/** What an objective says of its passes. */
interface PassNeeds {
  together?: number | undefined
  beginAlike?: boolean | undefined
  temperature?: number | undefined
}

/**
 * @param perPass  tokens of a pass
 * @param copy     the reference, where it is not the model without its adapter
 */
export function createForwardPasses(
  { passes, withoutAdapter, state }: Pick<ModelInternals, 'passes' | 'withoutAdapter' | 'state'>,
  perPass: number,
  copy?: ReferenceCopy,
  { together, beginAlike: shares = false, temperature }: PassNeeds = {},
): ForwardPasses {
  const partsOf = (batch: TrainingBatch<unknown>) =>
    passesOf(batch, perPass, { size: passes.sizeOf(batch, { shares }), together })
  const logProbs = async (by: Passes, batch: TrainingBatch<unknown>): Promise<Float32Array> => {
    const parts: Float32Array[] = []
    for (const part of partsOf(batch)) parts.push(await by.logProbs(part, { shares, temperature }))
    return joined(parts)
  }
  return {
    logProbs: (batch) => logProbs(passes, batch),
    async reference(batch) {
      if (copy) return copy.use(() => logProbs(passes, batch))
      if (state.adapter) return withoutAdapter((plain) => logProbs(plain, batch))
      throw new FettleError({
        place: 'reference',
        found: 'a model whose own weights are trained',
        expected: 'an adapter, which can be switched off',
        cure: 'Train with lora, or set precompute_ref_log_probs.',
      })
    },
    async described(batch) {
      const parts: { logProbs: Float32Array; description: TokenDescription }[] = []
      for (const part of partsOf(batch)) parts.push(await passes.described(part, { shares, temperature }))
      const column = (name: keyof TokenDescription) =>
        joined(parts.map(({ description }) => description[name]))
      return {
        logProbs: joined(parts.map(({ logProbs }) => logProbs)),
        description: {
          entropy: column('entropy'),
          meanLogit: column('meanLogit'),
          margin: column('margin'),
          logSquares: column('logSquares'),
        },
      }
    },
    async alternative(batch, token) {
      const parts = []
      for (const part of splitBatch(batch, perPass)) parts.push(await passes.alternative(part, token))
      const balances = parts.flatMap(({ balance }) => balance ?? [])
      return {
        ...(balances.length > 0 && {
          balance: balances.reduce((sum, each) => sum + each, 0) / balances.length,
        }),
        logProbs: joined(parts.map((part) => part.logProbs)),
        alternative: joined(parts.map((part) => part.alternative)),
        best: Int32Array.from(parts.flatMap(({ best }) => [...best])),
      }
    },
  }
}

/**
 * Divides a batch into passes of about `perPass` tokens.
 *
 * @param size      the tokens that the batch counts for: fewer than it has, where documents share what they begin with
 * @param together  documents that share a pass, such as the two of a pair
 */
export function passesOf<D>(
  batch: TrainingBatch<D>,
  perPass: number,
  { size, together }: { size: number; together?: number | undefined },
): TrainingBatch<D>[] {
  return splitBatch(batch, Math.floor((perPass * batch.inputIds.length) / Math.max(1, size)), together)
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
