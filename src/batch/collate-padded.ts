import { ignoredLabel } from '../data/index.ts'

/** A tokenised row with Hugging Face's labels: unshifted, -100 = not learned; without labels all is learned. */
export interface LabelledRow {
  inputIds: ArrayLike<number>
  labels?: ArrayLike<number> | undefined
  /** Lengths of the documents in the row, where it is a pack. */
  documentLengths?: readonly number[] | undefined
}

/** How rows are brought to one length. */
export interface PaddingOptions {
  padTokenId: number
  padToMultipleOf?: number | undefined
  /** Training pads right (the default), generation left. */
  paddingSide?: 'left' | 'right' | undefined
  /** Add position ids that restart with each document. */
  positionIds?: boolean | undefined
}

/** A padded batch as `model.forward` and Hugging Face's models take it; each [rows][longest row]. */
export interface PaddedBatch {
  inputIds: number[][]
  attentionMask: number[][]
  labels: number[][]
  positionIds?: number[][]
}

/**
 * Pads rows to the longest one. Labels are -100 at padding by position: a pad token inside a row, such as an eos that
 * doubles as pad, stays learned.
 */
export function collatePadded(rows: readonly LabelledRow[], options: PaddingOptions): PaddedBatch {
  const { padTokenId, padToMultipleOf = 1, paddingSide = 'right' } = options
  const longest = rows.reduce((length, { inputIds }) => Math.max(length, inputIds.length), 0)
  const width = Math.ceil(longest / padToMultipleOf) * padToMultipleOf
  const padded = (values: ArrayLike<number>, filler: number): number[] => {
    const padding = Array.from({ length: width - values.length }, () => filler)
    return paddingSide === 'right' ? [...Array.from(values), ...padding] : [...padding, ...Array.from(values)]
  }
  return {
    inputIds: rows.map(({ inputIds }) => padded(inputIds, padTokenId)),
    attentionMask: rows.map(({ inputIds }) => padded(new Uint8Array(inputIds.length).fill(1), 0)),
    labels: rows.map(({ inputIds, labels = inputIds }) => padded(labels, ignoredLabel)),
    ...(options.positionIds ? { positionIds: rows.map((row) => padded(positionsOf(row), 0)) } : {}),
  }
}

function positionsOf({ inputIds, documentLengths = [inputIds.length] }: LabelledRow): number[] {
  return documentLengths.flatMap((length) => Array.from({ length }, (_, i) => i))
}

/** Hugging Face's labels of a mask: the token where it is learned, else -100. */
export function labelsOf(inputIds: ArrayLike<number>, mask: ArrayLike<number>): number[] {
  return Array.from(inputIds, (id, i) => (mask[i] === 1 ? id : ignoredLabel))
}
