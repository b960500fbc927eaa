import { sliceBatch, type TrainingBatch } from './batch.ts'

/**
 * Divides a batch at document borders into passes of about `tokens` tokens: as few as that takes, the largest as small
 * as it can be with so many. The gradients of the passes add up to that of the whole batch, so the result does not
 * change; memory is bounded by the largest pass, and a pass of a handful of tokens would cost nearly as much as a full one.
 *
 * @param together  documents that share a pass, such as the two of a pair: each so many in order
 */
export function splitBatch<D>(batch: TrainingBatch<D>, tokens: number, together = 1): TrainingBatch<D>[] {
  const total = batch.inputIds.length
  const ends = groupEnds(batch, together)
  const most = Math.ceil(total / tokens)
  let [low, high] = [Math.floor(total / Math.max(1, most)), total]
  while (low < high) {
    const middle = (low + high) >> 1
    if (passEnds(ends, middle).length <= most && longest(passEnds(ends, middle)) <= middle) high = middle
    else low = middle + 1
  }
  const borders = passEnds(ends, high)
  return borders.map((end, i) => sliceBatch(batch, i === 0 ? 0 : borders[i - 1], end))
}

/** Where passes end that take in groups as long as they have at most `size` tokens. */
function passEnds(groups: readonly number[], size: number): number[] {
  const ends: number[] = []
  let start = 0
  groups.forEach((end, i) => {
    const next = groups[i + 1]
    if (next !== undefined && next - start <= size) return
    ends.push(end)
    start = end
  })
  return ends
}

function longest(ends: readonly number[]): number {
  return ends.reduce((most, end, i) => Math.max(most, end - (i === 0 ? 0 : ends[i - 1])), 0)
}

/** Index after the last token of each group of documents. */
function groupEnds<D>({ documentIds, documents }: TrainingBatch<D>, together: number): number[] {
  if (documents.length % together !== 0)
    throw new RangeError(`${documents.length} documents are not groups of ${together}`)
  const ends: number[] = []
  documentIds.forEach((id, i) => {
    if (documentIds[i + 1] !== id && (id + 1) % together === 0) ends.push(i + 1)
  })
  return ends
}
