import { truncate, type Document } from '../../batch/index.ts'
import type { Example } from '../../data/index.ts'
import type { LabelledAnswer } from '../objectives/kto.ts'
import type { TrainOptions } from '../options/index.ts'
import type { AnswerSet } from './answer-sets.ts'
import type { Items } from './item-data.ts'
import type { References } from './references.ts'

type Numbered = Document & { number: number }

/** Answers with their labels, and those that are only asked for what the reference says of them. */
export interface LabelledItems extends Items<LabelledAnswer> {
  /** Every answer and every mismatched one. */
  all: Items<Numbered>
}

/**
 * Answers with their labels. To each comes the answer of the one before it in its micro-batch, in the order of the data; the last one's
 * to the first: another answer to its prompt, as TRL makes them, unless its row brought one.
 */
export function labelledItems(
  { items, labels, store }: AnswerSet,
  { maxLength, truncationMode, perDeviceTrainBatchSize: together }: TrainOptions,
  references: References,
): LabelledItems {
  const cut = (example: Example, number: number) => {
    const { inputIds, mask, origin } = truncate(example, { maxLength, mode: truncationMode }).example
    const reference = references.of(number)
    return { inputIds, mask, origin, number, ...(reference && { reference }) }
  }
  const own = (item: number) => cut(store.get(items[item][0]), 2 * item)
  const mismatched = (item: number) => {
    const given = items[item].at(1)
    if (given !== undefined) return cut(store.get(given), 2 * item + 1)
    const first = item - (item % together)
    const last = Math.min(first + together, items.length) - 1
    const prompt = store.get(items[item][0])
    const other = store.get(items[item === first ? last : item - 1][0])
    const ids = [...promptOf(prompt), ...answerOf(other)]
    const mask = Uint8Array.from(ids, (_, i) => (i < promptOf(prompt).length ? 0 : 1))
    return cut({ inputIds: Int32Array.from(ids), mask, spans: [], origin: prompt.origin }, 2 * item + 1)
  }
  return {
    count: items.length,
    documents: (item) => [{ ...own(item), label: labels[item], mismatched: mismatched(item) }],
    all: { count: items.length, documents: (item) => [own(item), mismatched(item)] },
  }
}

/** The tokens before what is learned. */
function promptOf({ inputIds, mask }: Example): Int32Array {
  return inputIds.subarray(0, mask.indexOf(1))
}

/** What is learned, and what stands between its parts. */
function answerOf({ inputIds, mask }: Example): Int32Array {
  return inputIds.subarray(mask.indexOf(1), mask.lastIndexOf(1) + 1)
}
