import { createRandom } from '../../random.ts'

/** A short text to compute with: its tokens and what is learned of it (as labels, −100 is not). */
export interface NumericSample {
  inputIds: number[]
  labels: number[]
}

/** Tokens of a text at most: the tests are about sameness, which short texts show as well. */
const longest = 48
const sampleCount = 4

/** Texts for the tests: rows of the user's data, filled up with random tokens of different lengths. */
export function makeSamples(
  given: readonly { inputIds: ArrayLike<number>; mask: ArrayLike<number> }[],
  vocabSize: number,
): NumericSample[] {
  const random = createRandom(7)
  const samples = given.slice(0, sampleCount).map(({ inputIds, mask }): NumericSample => {
    const ids = Array.from(inputIds).slice(0, longest)
    return { inputIds: ids, labels: ids.map((id, i) => (mask[i] === 1 ? id : -100)) }
  })
  // Padding, packing and batches need texts of several lengths.
  for (let i = samples.length; i < sampleCount; i += 1) {
    const length = 9 + 5 * i
    const inputIds = Array.from({ length }, () => Math.floor(random() * vocabSize))
    samples.push({ inputIds, labels: inputIds.map((id, at) => (at < 3 ? -100 : id)) })
  }
  // A row of which nothing within the length is learned counts whole: every text must have a gradient.
  return samples.map(({ inputIds, labels }) => ({
    inputIds,
    labels: labels.slice(1).some((label) => label >= 0) ? labels : [...inputIds],
  }))
}

/** Number of tokens that a sample's loss is the mean of. */
export function learnedCount({ labels }: NumericSample): number {
  return labels.slice(1).filter((label) => label >= 0).length
}

/** Samples as a padded batch. */
export function padded(samples: readonly NumericSample[], side: 'left' | 'right') {
  const time = Math.max(...samples.map(({ inputIds }) => inputIds.length))
  const pad = (values: readonly number[], value: number) => {
    const padding = Array.from({ length: time - values.length }, () => value)
    return side === 'left' ? [...padding, ...values] : [...values, ...padding]
  }
  return {
    time,
    inputIds: samples.map(({ inputIds }) => pad(inputIds, 0)),
    attentionMask: samples.map(({ inputIds }) =>
      pad(
        Array.from(inputIds, () => 1),
        0,
      ),
    ),
    labels: samples.map(({ labels }) => pad(labels, -100)),
  }
}

/** Samples in one row, each a document. */
export function packed(samples: readonly NumericSample[]) {
  return {
    inputIds: [samples.flatMap(({ inputIds }) => inputIds)],
    documentIds: [samples.flatMap(({ inputIds }, document) => inputIds.map(() => document))],
    positionIds: [samples.flatMap(({ inputIds }) => inputIds.map((_, position) => position))],
  }
}
