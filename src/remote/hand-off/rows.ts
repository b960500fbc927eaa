import type { Document, TrainingBatch } from '../../batch/index.ts'
import { ignoredLabel } from '../../data/index.ts'
import { lossTypeOf, type TrainingTask } from '../../train/index.ts'

/** Documents that one pass computes at least together: a pack, a pair, an answer and its mismatched one. Each column [n]. */
export interface Row {
  inputIds: Int32Array
  /** As Hugging Face has them: unshifted, −100 where nothing is learned. */
  labels: Int32Array
  /** Place of a token in its document. */
  positionIds: Int32Array
  /** 0 for the row's first. */
  documentIds: Int32Array
  /** With preferences: what a learned token counts in the sum of its answer. */
  tokenWeights?: Float32Array
  /** What the reference says of the learned tokens, where that was computed before. */
  reference?: Float32Array
}

/** A document with what methods add to it. */
type HandedDocument = Document & {
  reference?: Float32Array
  label?: boolean
  /** With ORPO, which learns prompts, too: 1 = a token of the answer. */
  answer?: Uint8Array
  mismatched?: Document & { reference?: Float32Array }
}

/** A document of a row, and what its learned tokens weigh, the first of them first. */
interface Weighted {
  document: HandedDocument
  weightOf?: (learned: number) => number
}

/** The rows of a micro-batch. */
export function rowsOf(
  { documents }: TrainingBatch<HandedDocument>,
  options: TrainingTask['options'],
): Row[] {
  const { method } = options
  if (method === 'dpo') return pairs(documents).map((pair) => rowOf(weightedPair(pair, options)))
  if (method === 'orpo' || method === 'cpo')
    return pairs(documents).map((pair) => rowOf(likelihoodPair(pair, options)))
  if (method === 'kto') return documents.map((document) => rowOf(weightedAnswer(document, options)))
  if (!options.packing) return documents.map((document) => rowOf([{ document }]))
  return packs(documents, options.maxLength).map((pack) => rowOf(pack.map((document) => ({ document }))))
}

/** As many documents in order as fit: packs were made so. */
function packs(documents: readonly HandedDocument[], size: number): HandedDocument[][] {
  const all: HandedDocument[][] = []
  let room = 0
  for (const document of documents) {
    const { length } = document.inputIds
    if (length > room || all.length === 0) {
      all.push([])
      room = size
    }
    all[all.length - 1].push(document)
    room -= length
  }
  return all
}

function pairs(documents: readonly HandedDocument[]): [HandedDocument, HandedDocument][] {
  return Array.from({ length: documents.length / 2 }, (_, i) => [documents[2 * i], documents[2 * i + 1]])
}

/**
 * With r = log π − log π_ref the margin of a pair is Σ w r: +1 for tokens of the chosen answer, −1 for those of the rejected one, less
 * for what one answer is longer by (ld_alpha), and means instead of sums for the losses that take these.
 */
function weightedPair(
  pair: readonly [HandedDocument, HandedDocument],
  { ldAlpha = 1, lossType }: TrainingTask['options'],
): Weighted[] {
  const loss = Array.isArray(lossType) ? lossType[0] : lossType
  const takesMeans = loss === 'ipo' || loss === 'sigmoid_norm'
  const shared = Math.min(...pair.map((document) => learnedCount(document)))
  return pair.map((document, i) => {
    const length = takesMeans
      ? Math.max(
          1,
          document.mask.reduce((sum, bit) => sum + bit, 0),
        )
      : 1
    const sign = i === 0 ? 1 : -1
    return { document, weightOf: (learned) => (sign * (learned < shared ? 1 : ldAlpha)) / length }
  })
}

/** The log-probabilities of a pair's answers are Σ w log π of either sign: sums, or means. A prompt that is learned, too, weighs nothing. */
function likelihoodPair(
  pair: readonly [HandedDocument, HandedDocument],
  { method, lossType }: TrainingTask['options'],
): Weighted[] {
  const takesMeans = method === 'orpo' || ['ipo', 'simpo'].includes(lossTypeOf('cpo', lossType))
  return pair.map((document, i) => {
    const { mask, answer = mask } = document
    const answers = [...mask.keys()].filter((at) => at > 0 && mask[at] === 1).map((at) => answer[at])
    const count = takesMeans
      ? Math.max(
          1,
          answers.reduce((sum, bit) => sum + bit, 0),
        )
      : 1
    return { document, weightOf: (learned) => ((i === 0 ? 1 : -1) * answers[learned]) / count }
  })
}

/** Learned tokens of a micro-batch's chosen answers. */
export function chosenTokens({ documents }: TrainingBatch<HandedDocument>): number {
  return pairs(documents).reduce((sum, [chosen]) => sum + learnedCount(chosen), 0)
}

/** +w for a wanted answer, −w for another; the mismatched one beside it counts only in what both are compared with. */
function weightedAnswer(
  document: HandedDocument,
  { desirableWeight, undesirableWeight }: TrainingTask['options'],
): Weighted[] {
  const weight = document.label === true ? desirableWeight : -undesirableWeight
  return [
    { document, weightOf: () => weight },
    ...(document.mismatched ? [{ document: document.mismatched, weightOf: () => 0 }] : []),
  ]
}

/** Nothing predicts the first token of a document. */
function learnedCount({ mask }: Document): number {
  return mask.reduce((sum, bit, i) => sum + (i > 0 ? bit : 0), 0)
}

function rowOf(all: readonly Weighted[]): Row {
  const parts = all.filter(({ document }) => document.inputIds.length > 0)
  const total = parts.reduce((sum, { document }) => sum + document.inputIds.length, 0)
  const row = {
    inputIds: new Int32Array(total),
    labels: new Int32Array(total),
    positionIds: new Int32Array(total),
    documentIds: new Int32Array(total),
  }
  const hasWeights = parts.some(({ weightOf }) => weightOf !== undefined)
  const hasReference = parts.every(({ document }) => document.reference !== undefined)
  const tokenWeights = new Float32Array(hasWeights ? total : 0)
  const reference = new Float32Array(hasReference ? total : 0)
  let at = 0
  for (const [number, { document, weightOf }] of parts.entries()) {
    const { inputIds, mask } = document
    row.inputIds.set(inputIds, at)
    row.documentIds.fill(number, at, at + inputIds.length)
    let learned = 0
    for (let i = 0; i < inputIds.length; i += 1) {
      row.positionIds[at + i] = i
      row.labels[at + i] = mask[i] === 1 ? inputIds[i] : ignoredLabel
      if (i === 0 || mask[i] !== 1) continue
      if (weightOf) tokenWeights[at + i] = weightOf(learned)
      if (hasReference && document.reference) reference[at + i] = document.reference[learned]
      learned += 1
    }
    at += inputIds.length
  }
  return { ...row, ...(hasWeights && { tokenWeights }), ...(hasReference && { reference }) }
}
