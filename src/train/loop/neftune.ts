import { documentStarts, type Batch } from '../../batch/index.ts'
import type { TrainOptions } from '../options/index.ts'

/**
 * Half the width of NEFTune's uniform noise for a micro-batch: alpha / √(L · H), where L are the tokens of one of its rows as TRL lays
 * them out: with packing all packs are one row, cut ones (`wrapped`) a row each, and without packing all are as long as the longest.
 * Source: Jain et al. 2023, https://arxiv.org/abs/2310.05914, as transformers computes it
 */
export function neftuneNoise(
  { inputIds, documentIds }: Pick<Batch, 'inputIds' | 'documentIds'>,
  width: number,
  options: Pick<TrainOptions, 'neftuneNoiseAlpha' | 'packing' | 'packingStrategy' | 'maxLength'>,
): number {
  const { neftuneNoiseAlpha: alpha, packing, packingStrategy, maxLength } = options
  if (!alpha) return 0
  const longest = () => {
    const starts = documentStarts(documentIds)
    return starts.reduce((most, start, i) => Math.max(most, i + 1 - start), 0)
  }
  const length = !packing ? longest() : packingStrategy === 'wrapped' ? maxLength : inputIds.length
  return alpha / Math.sqrt(length * width)
}
