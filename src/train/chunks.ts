import type { Batch } from '../batch/index.ts'
import type { PassTokens } from '../model/index.ts'
import { documentStarts } from '../model/index.ts'

/**
 * Divides a batch at document borders into passes of about `tokens` tokens. The gradients of the passes add up to that
 * of the whole batch, so the result does not change; memory is bounded by the larger of `tokens` and one document.
 */
export function splitBatch(batch: Batch, tokens: number): PassTokens[] {
  const total = batch.inputIds.length
  // Passes of equal size: the last one of a greedy division could be a handful of tokens, at a pass's full cost.
  const size = total / Math.ceil(total / tokens)
  const passes: PassTokens[] = []
  let start = 0
  for (const end of documentEnds(batch.documentIds)) {
    if (end - start < size && end < total) continue
    passes.push(passOf(batch, start, end))
    start = end
  }
  return passes
}

/** Index after the last token of each document. */
function documentEnds(documentIds: Int32Array): number[] {
  const ends: number[] = []
  documentIds.forEach((id, i) => {
    if (i > 0 && id !== documentIds[i - 1]) ends.push(i)
  })
  return documentIds.length > 0 ? [...ends, documentIds.length] : ends
}

function passOf(
  { inputIds, targets, positionIds, documentIds }: Batch,
  from: number,
  to: number,
): PassTokens {
  return {
    ids: inputIds.slice(from, to),
    positions: positionIds.slice(from, to),
    starts: documentStarts(documentIds.subarray(from, to)),
    targets: targets.slice(from, to),
  }
}
