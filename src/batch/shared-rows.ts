import type { Batch } from './batch.ts'

/** Tokens of a batch that are computed once, though several documents have them. */
export interface SharedRows {
  /** [u] places of those that are computed. */
  places: Int32Array
  /** [n] which of these each token is, 0 … u − 1. */
  of: Int32Array
}

/** Less is not worth laying rows out twice. */
const leastSaved = 1 / 16

/**
 * Finds what documents begin with as the document before them does: the prompt of a pair's two answers, and what a template writes
 * first. As a token sees only what is before it, its hidden states are the same there.
 *
 * @returns undefined where there is little of it
 */
export function sharedRows({ inputIds, positionIds, documentIds }: Batch): SharedRows | undefined {
  const count = inputIds.length
  const of = new Int32Array(count)
  const places = new Int32Array(count)
  let computed = 0
  let before = 0
  let start = 0
  let isSame = false
  for (let i = 0; i < count; i += 1) {
    if (i > 0 && documentIds[i] !== documentIds[i - 1]) {
      before = start
      start = i
      isSame = true
    }
    const twin = before + i - start
    isSame &&= twin < start && inputIds[twin] === inputIds[i] && positionIds[twin] === positionIds[i]
    if (isSame) of[i] = of[twin]
    else {
      places[computed] = i
      of[i] = computed
      computed += 1
    }
  }
  if (count - computed < leastSaved * count) return undefined
  return { places: places.slice(0, computed), of }
}
