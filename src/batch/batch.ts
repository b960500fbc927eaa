import { ignoredLabel } from '../data/index.ts'

/**
 * What one forward pass reads: real tokens only, documents laid end to end, so that no arithmetic is spent on padding.
 * `n` tokens in all, `m` of them learned from.
 */
export interface Batch {
  /** [n] */
  inputIds: Int32Array
  /** [n] next token to predict, or −100 where nothing is learned; shifted by `batchOf`. */
  targets: Int32Array
  /** [n] place of a token in its document */
  positionIds: Int32Array
  /** [n] 0, 1, 2 … in order; attention stays inside a document */
  documentIds: Int32Array
  /** m: how many targets are not −100. */
  learnedTokens: number
}

/** A batch of training data, with what is known of its documents. */
export interface TrainingBatch<D> extends Batch {
  /** By document id. */
  documents: readonly D[]
}

/** Flat tokens with labels as Hugging Face has them: unshifted, −100 where nothing is learned; each [n]. */
export interface LabelledTokens extends Pick<Batch, 'inputIds' | 'positionIds' | 'documentIds'> {
  labels: Int32Array
}

/**
 * The batch of flat tokens. The label shift is made here and nowhere else: the model predicts a token at the place before it,
 * so targets[i] = labels[i + 1], and −100 at the end of a document, since nothing comes before the first token of the next.
 */
export function batchOf({ labels, ...tokens }: LabelledTokens): Batch {
  const { documentIds } = tokens
  const targets = labels.map((_, i) => (documentIds[i + 1] === documentIds[i] ? labels[i + 1] : ignoredLabel))
  return { ...tokens, targets, learnedTokens: countLearned(targets) }
}

/** Tokens [from, to) of a batch, which begin and end with documents. */
export function sliceBatch<D>(batch: TrainingBatch<D>, from: number, to: number): TrainingBatch<D> {
  const { inputIds, targets, positionIds, documentIds, documents } = batch
  const first = documentIds[from]
  const sliced = targets.slice(from, to)
  return {
    inputIds: inputIds.slice(from, to),
    targets: sliced,
    positionIds: positionIds.slice(from, to),
    documentIds: documentIds.slice(from, to).map((id) => id - first),
    learnedTokens: countLearned(sliced),
    documents: documents.slice(first, documentIds[to - 1] + 1),
  }
}

/** [n] index of the first token of each token's document. */
export function documentStarts(documentIds: Int32Array): Int32Array {
  const starts = new Int32Array(documentIds.length)
  for (let i = 1; i < starts.length; i++)
    starts[i] = documentIds[i] === documentIds[i - 1] ? starts[i - 1] : i
  return starts
}

/** [m] where the tokens stand that something is learned from. */
export function learnedPlaces({
  targets,
  learnedTokens,
}: Pick<Batch, 'targets' | 'learnedTokens'>): Int32Array {
  const places = new Int32Array(learnedTokens)
  let found = 0
  targets.forEach((target, place) => {
    if (target !== ignoredLabel) places[found++] = place
  })
  return places
}

/** Which of the m learned tokens, [start, end), belong to each document. */
export function learnedRanges<D>(batch: TrainingBatch<D>): { start: number; end: number }[] {
  const places = learnedPlaces(batch)
  let end = 0
  return batch.documents.map((_, document) => {
    const start = end
    while (end < places.length && batch.documentIds[places[end]] === document) end++
    return { start, end }
  })
}

function countLearned(targets: Int32Array): number {
  return targets.reduce((count, target) => count + (target === ignoredLabel ? 0 : 1), 0)
}
