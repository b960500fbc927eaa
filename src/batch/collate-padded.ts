import { checkArgument, checkList, checkObject, isObject } from '../check-argument.ts'
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
export function collatePadded(given: readonly LabelledRow[], options: PaddingOptions): PaddedBatch {
  checkCollating(given, options)
  const rows = [...given]
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

/** @throws FettleError that names what a program without types passed */
function checkCollating(rows: readonly LabelledRow[], options: PaddingOptions): void {
  checkList('rows', rows, isObject, 'a row: { inputIds }')
  rows.forEach(({ inputIds, labels, documentLengths }, i) => {
    checkNumbers(`rows[${i}].inputIds`, inputIds)
    if (labels !== undefined) checkNumbers(`rows[${i}].labels`, labels, inputIds.length)
    if (documentLengths === undefined) return
    checkNumbers(`rows[${i}].documentLengths`, documentLengths)
    const total = documentLengths.reduce((sum, length) => sum + length, 0)
    const isWhole = documentLengths.every((length) => isCount(length, 0)) && total === inputIds.length
    checkArgument(
      `rows[${i}].documentLengths`,
      documentLengths,
      isWhole,
      `lengths that add up to ${inputIds.length}`,
    )
  })
  checkObject('options', options)
  const { padTokenId, padToMultipleOf = 1 } = options
  checkArgument('padTokenId', padTokenId, isCount(padTokenId, 0), 'a token id')
  const isMultiple = isCount(padToMultipleOf, 1) && padToMultipleOf <= 1_000_000
  checkArgument('padToMultipleOf', padToMultipleOf, isMultiple, 'a whole number from 1 to 1,000,000')
}

const isCount = (value: unknown, least: number): boolean => Number.isInteger(value) && Number(value) >= least

/** A list of numbers, of this length if one is given. */
function checkNumbers(name: string, values: unknown, length?: number): void {
  const isList = Array.isArray(values) || (ArrayBuffer.isView(values) && !(values instanceof DataView))
  const list = values as ArrayLike<unknown>
  const isRight =
    isList && (length === undefined || list.length === length) && Array.from(list).every(Number.isInteger)
  checkArgument(name, values, isRight, length === undefined ? 'whole numbers' : `${length} whole numbers`)
}

function positionsOf({ inputIds, documentLengths = [inputIds.length] }: LabelledRow): number[] {
  return documentLengths.flatMap((length) => Array.from({ length }, (_, i) => i))
}

/** Hugging Face's labels of a mask: the token where it is learned, else -100. */
export function labelsOf(inputIds: ArrayLike<number>, mask: ArrayLike<number>): number[] {
  return Array.from(inputIds, (id, i) => (mask[i] === 1 ? id : ignoredLabel))
}
