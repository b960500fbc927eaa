import { ignoredLabel } from '../data/index.ts'
import type { TrainingBatch } from './batch.ts'

/**
 * Where each text ends: its last token that is no padding, which a reward model scores. Transformers looks for it in the same way, so that
 * a pad token at the end of a text is none of it.
 */
export function lastTokens(
  documents: readonly { inputIds: Int32Array }[],
  pad: number | undefined,
): number[] {
  return documents.map(({ inputIds }) =>
    Math.max(
      0,
      inputIds.findLastIndex((id) => id !== pad),
    ),
  )
}

/**
 * Texts end to end, of each of which one token is scored. It stands where in other batches a learned token does: nothing is predicted, so
 * no label is shifted.
 *
 * @param places  of that token in each text
 */
export function scoredBatch<D extends { inputIds: Int32Array }>(
  documents: readonly D[],
  places: readonly number[],
): TrainingBatch<D> {
  const total = documents.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
  const inputIds = new Int32Array(total)
  const targets = new Int32Array(total).fill(ignoredLabel)
  const positionIds = new Int32Array(total)
  const documentIds = new Int32Array(total)
  let at = 0
  for (const [document, { inputIds: ids }] of documents.entries()) {
    inputIds.set(ids, at)
    documentIds.fill(document, at, at + ids.length)
    for (let i = 0; i < ids.length; i += 1) positionIds[at + i] = i
    targets[at + places[document]] = 0
    at += ids.length
  }
  return { inputIds, targets, positionIds, documentIds, learnedTokens: documents.length, documents }
}
