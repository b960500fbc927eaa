import { ignoredLabel, type Example, type ExampleStore } from '../data/index.ts'
import { batchOf, type TrainingBatch } from './batch.ts'
import type { Piece } from './packing.ts'

/** One document of a batch: what attends to itself only. */
export type Document = Pick<Example, 'inputIds' | 'mask' | 'origin'>

/** Lays documents end to end, without padding; those without tokens are left out. */
export function collate<D extends Document>(given: readonly D[]): TrainingBatch<D> {
  const documents = given.filter(({ inputIds }) => inputIds.length > 0)
  const total = documents.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
  const inputIds = new Int32Array(total)
  const labels = new Int32Array(total)
  const positionIds = new Int32Array(total)
  const documentIds = new Int32Array(total)
  let at = 0
  for (const [document, { inputIds: ids, mask }] of documents.entries()) {
    inputIds.set(ids, at)
    documentIds.fill(document, at, at + ids.length)
    for (let i = 0; i < ids.length; i++) {
      positionIds[at + i] = i
      labels[at + i] = mask[i] === 1 ? ids[i] : ignoredLabel
    }
    at += ids.length
  }
  return { ...batchOf({ inputIds, labels, positionIds, documentIds }), documents }
}

/** `collate` for pieces of stored examples, as a plan lists them. */
export function collatePieces(
  store: Pick<ExampleStore, 'get'>,
  pieces: readonly Piece[],
): TrainingBatch<Document> {
  return collate(
    pieces.map(({ example, start, length }) => {
      const { inputIds, mask, origin } = store.get(example)
      return {
        inputIds: inputIds.subarray(start, start + length),
        mask: mask.subarray(start, start + length),
        origin,
      }
    }),
  )
}
