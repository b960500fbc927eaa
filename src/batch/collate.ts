import { ignoredLabel, type Example, type ExampleStore, type Origin } from '../data/index.ts'
import type { Batch } from './batch.ts'
import type { Piece } from './packing.ts'

/** One document of a batch: what attends to itself only. */
export type Document = Pick<Example, 'inputIds' | 'mask' | 'origin'>

/**
 * Lays documents end to end, without padding, and shifts the labels: `targets[i]` is token i + 1 where that one is
 * learned and belongs to the same document, else -100. This is the only place where labels are shifted.
 */
export function collate(documents: readonly Document[]): Batch {
  const total = documents.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
  const inputIds = new Int32Array(total)
  const targets = new Int32Array(total).fill(ignoredLabel)
  const positionIds = new Int32Array(total)
  const documentIds = new Int32Array(total)
  const origins: Origin[] = []
  let learnedTokens = 0
  let at = 0
  for (const { inputIds: ids, mask, origin } of documents) {
    if (ids.length === 0) continue
    inputIds.set(ids, at)
    documentIds.fill(origins.length, at, at + ids.length)
    for (let i = 0; i < ids.length; i++) {
      positionIds[at + i] = i
      // A first token has nothing before it that could predict it.
      if (i > 0 && mask[i] === 1) {
        targets[at + i - 1] = ids[i]
        learnedTokens++
      }
    }
    origins.push(origin)
    at += ids.length
  }
  return { inputIds, targets, positionIds, documentIds, learnedTokens, origins }
}

/** `collate` for pieces of stored examples, as a plan lists them. */
export function collatePieces(store: Pick<ExampleStore, 'get'>, pieces: readonly Piece[]): Batch {
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
