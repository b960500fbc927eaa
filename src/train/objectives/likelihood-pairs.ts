import type { Document, TrainingBatch } from '../../batch/index.ts'
import type { TokenDescription } from '../../model/index.ts'
import { microBatchStep } from './micro-batch-step.ts'
import { sumOf, type TokenRange } from './micro-batches.ts'
import type { Objective } from './objective.ts'

/** An answer of a pair that no reference is needed for. */
export interface PlainAnswer extends Document {
  /** Where ORPO learns the prompt, too: 1 = a token of the answer. */
  answer?: Uint8Array
}

/** The log-probabilities of a pair's answers: sums over their tokens, or means. */
export interface PairLikelihood {
  chosen: number
  rejected: number
}

/** The part of the loss that a pair is, its slopes by both log-probabilities, and what is told of it. */
export interface LikelihoodLoss {
  loss: number
  chosen: number
  rejected: number
  rewards: { chosen: number; rejected: number }
  metrics?: Readonly<Record<string, number>>
}

/** What ORPO and CPO have in common. */
export interface LikelihoodOptions {
  name: string
  /** Means over tokens in place of sums. */
  averages: boolean
  /** What −log π of all learned tokens of chosen answers counts, as a mean over the tokens of a micro-batch. */
  nllWeight: number
  lossOf(pair: PairLikelihood): LikelihoodLoss
}

/** Tokens of an answer among the learned ones of a document. */
interface Answer {
  range: TokenRange
  /** Of each token of the range: whether it is one of the answer. */
  isAnswer(token: number): boolean
  count: number
  logProb: number
  /** Sum of the mean logits of its tokens. */
  meanLogit: number
}

/** Learning from pairs by the model's own likelihoods: mean over the micro-batches of (mean over pairs + nllWeight · NLL of chosen). */
export function likelihoodPairs(options: LikelihoodOptions): Objective<PlainAnswer> {
  const { name, averages, nllWeight, lossOf } = options
  return {
    name,
    together: 2,
    beginAlike: true,
    describes: true,
    dropsOut: false,
    begin: (batches) =>
      microBatchStep(batches, {
        gather: createTold,
        weights(pass, { batch, ranges }, told) {
          const pairs = batches[batch].documents.length / 2
          const chosenTokens = learnedOfChosen(batches[batch])
          return (logProbs, description) => {
            const weights = new Float64Array(logProbs.length)
            for (let i = 0; i < ranges.length; i += 2) {
              const [chosen, rejected] = [i, i + 1].map((document) =>
                answerOf(pass.documents[document], ranges[document], averages, { logProbs, description }),
              )
              const made = lossOf({ chosen: chosen.logProb, rejected: rejected.logProb })
              for (const [answer, slope] of [
                [chosen, made.chosen],
                [rejected, made.rejected],
              ] as const) {
                const each = slope / pairs / (averages ? answer.count : 1)
                for (let token = answer.range.start; token < answer.range.end; token += 1)
                  if (answer.isAnswer(token - answer.range.start)) weights[token] = -each
              }
              for (let token = ranges[i].start; token < ranges[i].end; token += 1)
                weights[token] += nllWeight / chosenTokens
              const nll = -sumOf(logProbs, ranges[i]) / chosenTokens
              told.add(made, { chosen, rejected }, nll)
            }
            for (let token = 0; token < weights.length; token += 1) weights[token] /= batches.length
            return weights
          }
        },
        whole(told) {
          const { mean, metrics, nll } = told.result()
          return {
            loss: (mean + nllWeight * nll) / batches.length,
            metrics: { ...metrics, nll_loss: nllWeight === 0 ? 0 : nll },
          }
        },
      }),
  }
}

/** Learned tokens of the chosen answers: documents 0, 2, 4 … */
function learnedOfChosen({ documents }: TrainingBatch<PlainAnswer>): number {
  let count = 0
  for (let i = 0; i < documents.length; i += 2)
    for (let token = 1; token < documents[i].mask.length; token += 1) count += documents[i].mask[token]
  return count
}

function answerOf(
  { mask, answer = mask }: PlainAnswer,
  range: TokenRange,
  averages: boolean,
  { logProbs, description }: { logProbs: Float32Array; description: TokenDescription | undefined },
): Answer {
  // The first token of a document is no target.
  const learned: boolean[] = []
  for (let token = 1; token < mask.length; token += 1)
    if (mask[token] === 1) learned.push(answer[token] === 1)
  const isAnswer = (token: number) => learned[token]
  let sum = 0
  let count = 0
  let meanLogit = 0
  for (let token = range.start; token < range.end; token += 1) {
    if (!isAnswer(token - range.start)) continue
    sum += logProbs[token]
    meanLogit += description?.meanLogit[token] ?? 0
    count += 1
  }
  return { range, isAnswer, count, logProb: averages ? sum / count : sum, meanLogit }
}

/** What is told of a micro-batch, until it is whole. */
function createTold() {
  const sums: Record<string, number> = {}
  const answers = { chosen: { meanLogit: 0, count: 0 }, rejected: { meanLogit: 0, count: 0 } }
  let pairs = 0
  let losses = 0
  let likelihood = 0
  return {
    add(
      { loss, rewards, metrics = {} }: LikelihoodLoss,
      pair: { chosen: Answer; rejected: Answer },
      nll: number,
    ) {
      pairs += 1
      losses += loss
      likelihood += nll
      const told = {
        'rewards/chosen': rewards.chosen,
        'rewards/rejected': rewards.rejected,
        'rewards/accuracies': rewards.chosen > rewards.rejected ? 1 : 0,
        'rewards/margins': rewards.chosen - rewards.rejected,
        'logps/chosen': pair.chosen.logProb,
        'logps/rejected': pair.rejected.logProb,
        ...metrics,
      }
      for (const [name, value] of Object.entries(told)) sums[name] = (sums[name] ?? 0) + value
      for (const side of ['chosen', 'rejected'] as const) {
        answers[side].meanLogit += pair[side].meanLogit
        answers[side].count += pair[side].count
      }
    },
    result: () => ({
      mean: losses / pairs,
      nll: likelihood,
      metrics: {
        ...Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / pairs])),
        'logits/chosen': answers.chosen.meanLogit / Math.max(1, answers.chosen.count),
        'logits/rejected': answers.rejected.meanLogit / Math.max(1, answers.rejected.count),
      },
    }),
  }
}
