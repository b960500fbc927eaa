import type { AutoModelForCausalLM, NumberArray } from '../../model/index.ts'
import { internalsOf } from '../../model/index.ts'
import { createAdamW } from '../../train/index.ts'
import { learnedCount, makeSamples, packed, padded, type NumericSample } from './samples.ts'

/** The names of the tests, in the order in which they run; merging changes the model and comes last. */
const numericTests = [
  'accumulated-equals-one-batch',
  'packed-equals-separate',
  'packed-documents-do-not-leak',
  'left-padding-equals-right',
  'adapter-merged-equals-live',
] as const

/** The name of a numeric test. */
type NumericTestName = (typeof numericTests)[number]

/** What a test measured. */
export interface NumericResult {
  test: NumericTestName
  /** ‖a − b‖ / ‖b‖ of gradients or logits; for leaks the largest absolute difference. */
  difference: number
  /** What rounding explains. */
  tolerance: number
  passed: boolean
  /** What was compared, in a sentence. */
  compares: string
}

type Measure = (model: AutoModelForCausalLM, samples: readonly NumericSample[]) => Promise<number>

interface NumericTest {
  compares: string
  /** By compute type; 0 where not a bit may differ. */
  tolerance: { float32: number; bfloat16: number }
  measure: Measure
}

/** Rounding to 8 bits in another order, a few layers deep; float32 keeps 24. */
const rounding = { float32: 1e-4, bfloat16: 3e-2 }

const tests: { readonly [K in NumericTestName]: NumericTest } = {
  'accumulated-equals-one-batch': {
    compares: 'gradients of one batch with those of its rows one by one, weighted by their learned tokens',
    tolerance: rounding,
    async measure(model, samples) {
      const { inputIds, attentionMask, labels } = padded(samples, 'right')
      const whole = await model.gradients({ inputIds, attentionMask, labels })
      const total = samples.reduce((sum, sample) => sum + learnedCount(sample), 0)
      const sums = new Map<string, Float64Array>()
      for (const sample of samples) {
        const part = await model.gradients({ inputIds: [sample.inputIds], labels: [sample.labels] })
        for (const [name, { data }] of part) {
          const sum = sums.get(name) ?? new Float64Array(data.length)
          sums.set(name, sum)
          for (let i = 0; i < data.length; i += 1) sum[i] += (data[i] * learnedCount(sample)) / total
        }
      }
      return relativeError(
        [...whole].map(([name, { data }]): [ArrayLike<number>, ArrayLike<number>] => [
          sums.get(name) ?? [],
          data,
        ]),
      )
    },
  },
  'packed-equals-separate': {
    compares: 'logits of texts packed into one row with those of each text alone',
    tolerance: rounding,
    async measure(model, samples) {
      const together = await packedLogits(model, samples)
      const pairs: [Float32Array, Float32Array][] = []
      for (const [i, { inputIds }] of samples.entries())
        pairs.push([together[i], (await model.forward({ inputIds: [inputIds] })).logits.data])
      return relativeError(pairs)
    },
  },
  'packed-documents-do-not-leak': {
    compares: 'logits of a packed text before and after all tokens of the texts around it are changed',
    tolerance: { float32: 0, bfloat16: 0 },
    async measure(model, samples) {
      const kept = 1
      const changed = samples.map((sample, i) =>
        i === kept
          ? sample
          : { ...sample, inputIds: sample.inputIds.map((id) => (id + 1) % model.vocabSize) },
      )
      const before = await packedLogits(model, samples)
      const after = await packedLogits(model, changed)
      return before[kept].reduce(
        (largest, value, i) => Math.max(largest, Math.abs(value - after[kept][i])),
        0,
      )
    },
  },
  'left-padding-equals-right': {
    compares: 'logits of a batch padded on the left with those of the same batch padded on the right',
    tolerance: rounding,
    async measure(model, samples) {
      const logits = async (side: 'left' | 'right') => {
        const { inputIds, attentionMask, time } = padded(samples, side)
        const { data } = (await model.forward({ inputIds, attentionMask })).logits
        return samples.map(({ inputIds: { length } }, row) => {
          const start = row * time + (side === 'left' ? time - length : 0)
          return data.subarray(start * model.vocabSize, (start + length) * model.vocabSize)
        })
      }
      const left = await logits('left')
      const right = await logits('right')
      return relativeError(left.map((values, i) => [values, right[i]]))
    },
  },
  'adapter-merged-equals-live': {
    compares: 'logits with the adapter beside the weights with those after it was added to them',
    // Merged weights are rounded once more than live ones.
    tolerance: { float32: 1e-4, bfloat16: 5e-2 },
    async measure(model, samples) {
      const { inputIds, attentionMask } = padded(samples, 'right')
      const live = (await model.forward({ inputIds, attentionMask })).logits
      await model.mergeAdapter()
      const merged: NumberArray = (await model.forward({ inputIds, attentionMask })).logits
      return relativeError([[merged.data, live.data]])
    },
  },
}

/**
 * Runs the tests on a model; one without adapter gets a small one that has made a step. Afterwards the adapter is
 * merged into the model, which should not be used any further.
 *
 * @param examples  rows of the user's data; random tokens take their place where there are none
 */
export async function* numericSelfTests(
  model: AutoModelForCausalLM,
  examples: readonly { inputIds: ArrayLike<number>; mask: ArrayLike<number> }[] = [],
): AsyncGenerator<NumericResult> {
  const samples = makeSamples(examples, model.vocabSize)
  if (model.adapterConfig === null) await addTrainedAdapter(model, samples)
  for (const test of numericTests) {
    const { compares, tolerance: tolerances, measure } = tests[test]
    const tolerance = tolerances[model.dtype === 'bfloat16' ? 'bfloat16' : 'float32']
    const difference = await measure(model, samples)
    // Written so that NaN fails.
    yield { test, difference, tolerance, passed: difference <= tolerance, compares }
  }
}

/** A fresh adapter changes nothing, since its B is zero: a step makes it one whose merging can go wrong. */
async function addTrainedAdapter(
  model: AutoModelForCausalLM,
  samples: readonly NumericSample[],
): Promise<void> {
  await model.addAdapter({ r: 4, loraAlpha: 8 })
  const { passes, flatten, training: startTraining } = internalsOf(model)
  const training = await startTraining()
  const { inputIds, attentionMask, labels } = padded(samples, 'right')
  const batch = flatten({ inputIds, attentionMask, labels })
  await passes.train(batch, new Float64Array(batch.learnedTokens).fill(1 / batch.learnedTokens))
  await training.gradientNorm(1)
  const optimiser = createAdamW(training.trainable)
  optimiser.begin({ learningRate: 1e-2, step: 1 })
  await training.updateBy(optimiser.commands)()
}

/** Logits of each document of a packed row. */
async function packedLogits(
  model: AutoModelForCausalLM,
  samples: readonly NumericSample[],
): Promise<Float32Array[]> {
  const { logits } = await model.forward(packed(samples))
  let start = 0
  return samples.map(({ inputIds: { length } }) => {
    const part = logits.data.slice(start * model.vocabSize, (start + length) * model.vocabSize)
    start += length
    return part
  })
}

/** Norm of all differences, divided by the norm of the second ones. */
function relativeError(pairs: readonly (readonly [ArrayLike<number>, ArrayLike<number>])[]): number {
  let difference = 0
  let norm = 0
  for (const [actual, expected] of pairs) {
    if (actual.length !== expected.length) return Number.NaN
    for (let i = 0; i < expected.length; i += 1) {
      difference += (actual[i] - expected[i]) ** 2
      norm += expected[i] ** 2
    }
  }
  return Math.sqrt(difference / norm)
}
