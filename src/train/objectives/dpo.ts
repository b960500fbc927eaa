import type { Document, TrainingBatch } from '../../batch/index.ts'
import type { TokenDescription } from '../../model/index.ts'
import type { ForwardPasses } from '../loop/forward-passes.ts'
import { pairTerms, type DpoOptions, type PairSums } from './dpo-terms.ts'
import { meanOf } from './means.ts'
import { microBatchStep } from './micro-batch-step.ts'
import { addAnswer, answerLength, noAnswers, passPlaces, sumOf, type TokenRange } from './micro-batches.ts'
import type { Objective } from './objective.ts'

/** An answer to a prompt, with what the reference says of its learned tokens where that was computed before. */
export interface AnswerDocument extends Document {
  reference?: Float32Array
}

/** What is known of a micro-batch before its passes. */
interface PairBatch {
  /** log π_ref of the learned tokens. */
  reference: Float32Array
  /** Learned tokens of all chosen answers. */
  chosenTokens: number
  /** Mean over the pairs of what use_weighting multiplies losses by; where a sum over the batch must be known first. */
  known: { weights: Float64Array } | undefined
}

/**
 * Direct preference optimisation, with TRL's losses and metrics: the mean over the micro-batches of a step of the mean over their pairs.
 * The documents are chosen, rejected, chosen, rejected … and a pair shares a pass. Losses that need a whole micro-batch at once (aot,
 * sft with use_weighting) are made of a forward pass over it.
 * Source: Rafailov et al. 2023, https://arxiv.org/abs/2305.18290
 */
export function dpo(options: DpoOptions): Objective<AnswerDocument> {
  const needsBatch =
    options.lossType.some((name) => name === 'aot' || name === 'aot_unpaired') ||
    (options.useWeighting && options.lossType.includes('sft'))
  return {
    name: 'dpo',
    together: 2,
    beginAlike: true,
    describes: true,
    dropsOut: false,
    async begin(batches, passes) {
      const prepared: PairBatch[] = []
      for (const batch of batches) prepared.push(await prepare(batch, passes))
      return microBatchStep(batches, {
        gather: createGathering,
        weights(pass, { batch, ranges, inBatch }) {
          const { known, chosenTokens } = prepared[batch]
          const pairs = batches[batch].documents.length / 2
          const [first, last] = [inBatch[0], inBatch[inBatch.length - 1]]
          if (known)
            return known.weights.subarray(first.start, last.end).map((weight) => weight / batches.length)
          const reference = prepared[batch].reference.subarray(first.start, last.end)
          return (logProbs, description) => {
            const sums = sumsOf(pass, ranges, logProbs, reference, description)
            const made = pairTerms(sums, options, { pairs, chosenTokens })
            return tokenWeights(sums, made, logProbs.length, batches.length)
          }
        },
        passed(pass, { batch, ranges, inBatch }, gathered, { logProbs, description }) {
          const from = inBatch[0].start
          const reference = prepared[batch].reference.subarray(from, from + logProbs.length)
          gathered.add(sumsOf(pass, ranges, logProbs, reference, description), description)
        },
        whole({ pairs, metrics }, batch) {
          const { chosenTokens } = prepared[batch]
          const { loss } = pairTerms(pairs, options, { pairs: pairs.length, chosenTokens })
          return { loss: loss / batches.length, metrics: metrics(options.beta) }
        },
      })
    },
  }

  async function prepare(batch: TrainingBatch<AnswerDocument>, passes: ForwardPasses): Promise<PairBatch> {
    const reference = await referenceOf(batch, passes)
    const place = passPlaces([batch])(batch)
    const chosenTokens = place.ranges.reduce(
      (sum, { start, end }, i) => sum + (i % 2 === 0 ? end - start : 0),
      0,
    )
    if (!needsBatch) return { reference, chosenTokens, known: undefined }
    const { logProbs, description } = await passes.described(batch)
    const sums = sumsOf(batch, place.ranges, logProbs, reference, description)
    const made = pairTerms(sums, options, { pairs: sums.length, chosenTokens })
    return { reference, chosenTokens, known: { weights: tokenWeights(sums, made, logProbs.length, 1) } }
  }

  function sumsOf(
    { documents }: TrainingBatch<AnswerDocument>,
    ranges: readonly TokenRange[],
    logProbs: Float32Array,
    reference: Float32Array,
    description: TokenDescription | undefined,
  ): PairSums[] {
    return Array.from({ length: ranges.length / 2 }, (_, pair) => {
      const [chosen, rejected] = [ranges[2 * pair], ranges[2 * pair + 1]]
      const shared = Math.min(chosen.end - chosen.start, rejected.end - rejected.start)
      const answer = (range: TokenRange, document: AnswerDocument) => {
        const tail = { start: range.start + shared, end: range.end }
        const total = (values: Float32Array) =>
          sumOf(values, { start: range.start, end: range.start + shared }) +
          (options.ldAlpha ?? 1) * sumOf(values, tail)
        return {
          range,
          tail: tail.start,
          length: answerLength(document),
          logProb: total(logProbs),
          plainLogProb: sumOf(logProbs, range),
          reference: total(reference),
          ...(options.useWeighting &&
            description && {
              certainty:
                (sumOf(logProbs, range) - sumOf(description.logSquares, range)) /
                Math.max(1, range.end - range.start),
            }),
        }
      }
      return {
        chosen: answer(chosen, documents[2 * pair]),
        rejected: answer(rejected, documents[2 * pair + 1]),
      }
    })
  }

  /** −∂loss/∂log π of each token. */
  function tokenWeights(
    sums: readonly PairSums[],
    { terms }: ReturnType<typeof pairTerms>,
    length: number,
    batches: number,
  ): Float64Array {
    const weights = new Float64Array(length)
    sums.forEach(({ chosen, rejected }, pair) => {
      const { chosen: c, rejected: r, chosenToken } = terms[pair]
      for (const [answer, slope, each] of [
        [chosen, c, chosenToken],
        [rejected, r, 0],
      ] as const)
        for (let i = answer.range.start; i < answer.range.end; i += 1)
          weights[i] = -(slope * (i < answer.tail ? 1 : (options.ldAlpha ?? 1)) + each) / batches
    })
    return weights
  }
}

/** log π_ref of a batch's learned tokens: as it was computed before, or by a pass of the reference. */
export async function referenceOf(
  batch: TrainingBatch<AnswerDocument>,
  passes: ForwardPasses,
): Promise<Float32Array> {
  if (batch.documents.some(({ reference }) => reference === undefined)) return passes.reference(batch)
  const whole = new Float32Array(batch.learnedTokens)
  let at = 0
  for (const { reference } of batch.documents) {
    whole.set(reference ?? [], at)
    at += reference?.length ?? 0
  }
  return whole
}

/** What the passes of a micro-batch tell, until it is whole. */
function createGathering() {
  const pairs: PairSums[] = []
  const [chosen, rejected] = [noAnswers(), noAnswers()]
  return {
    pairs,
    add(sums: readonly PairSums[], description: TokenDescription | undefined) {
      pairs.push(...sums)
      if (!description) return
      for (const pair of sums) {
        addAnswer(chosen, description, pair.chosen.range)
        addAnswer(rejected, description, pair.rejected.range)
      }
    },
    metrics(beta: number): Record<string, number | undefined> {
      const reward = ({ logProb, reference }: PairSums['chosen']) => beta * (logProb - reference)
      const mean = (value: (pair: PairSums) => number) => meanOf(pairs.map(value))
      return {
        entropy: (chosen.entropy + rejected.entropy) / Math.max(1, chosen.tokens + rejected.tokens),
        'logits/chosen': chosen.meanLogit / Math.max(1, chosen.tokens),
        'logits/rejected': rejected.meanLogit / Math.max(1, rejected.tokens),
        mean_token_accuracy: chosen.likeliest / Math.max(1, chosen.tokens),
        'rewards/chosen': mean((pair) => reward(pair.chosen)),
        'rewards/rejected': mean((pair) => reward(pair.rejected)),
        'rewards/accuracies': mean((pair) => (reward(pair.chosen) > reward(pair.rejected) ? 1 : 0)),
        'rewards/margins': mean((pair) => reward(pair.chosen) - reward(pair.rejected)),
        'logps/chosen': mean((pair) => pair.chosen.logProb),
        'logps/rejected': mean((pair) => pair.rejected.logProb),
      }
    },
  }
}
