import type { Document } from '../../batch/index.ts'
import { logSigmoid, sigmoid } from './log-sigmoid.ts'
import { meanOf } from './means.ts'
import { microBatchStep } from './micro-batch-step.ts'
import type { Objective } from './objective.ts'

/** An answer with its prompt, of which the last token is scored. */
export interface ScoredAnswer extends Document {
  /** By how much the chosen one should win; default 0. */
  margin?: number
}

/** The scores of a pair. */
interface PairScores {
  chosen: number
  rejected: number
  margin: number
}

/**
 * A reward model, after Bradley and Terry: −log σ(r_c − r_r − margin) + center · (r_c + r_r)², as a mean over the micro-batches of the mean
 * over their pairs. What the passes give is a score r of each document, chosen, rejected, chosen, rejected … and a pair shares a pass.
 * Sources: Ouyang et al. 2022, https://arxiv.org/abs/2203.02155; Eisenstein et al. 2023, https://arxiv.org/abs/2312.09244
 *
 * @param center  TRL's center_rewards_coefficient
 */
export function reward(center = 0): Objective<ScoredAnswer> {
  return {
    name: 'reward',
    together: 2,
    beginAlike: true,
    dropsOut: false,
    begin: (batches) =>
      microBatchStep(batches, {
        gather: (): PairScores[] => [],
        weights(pass, { batch }, pairs) {
          const share = batches[batch].documents.length / 2
          return (scores) => {
            const weights = new Float64Array(scores.length)
            for (let i = 0; i < scores.length; i += 2) {
              const { margin = 0 } = pass.documents[i]
              const [chosen, rejected] = [scores[i], scores[i + 1]]
              const slope = sigmoid(-(chosen - rejected - margin))
              const pull = 2 * center * (chosen + rejected)
              weights[i] = (slope - pull) / share / batches.length
              weights[i + 1] = (-slope - pull) / share / batches.length
              pairs.push({ chosen, rejected, margin })
            }
            return weights
          }
        },
        whole: (pairs) => ({
          loss: (meanOf(pairs.map((pair) => lossOf(pair, center))) ?? 0) / batches.length,
          metrics: metricsOf(pairs),
        }),
      }),
  }
}

function lossOf({ chosen, rejected, margin }: PairScores, center: number): number {
  return -logSigmoid(chosen - rejected - margin) + center * (chosen + rejected) ** 2
}

function metricsOf(pairs: readonly PairScores[]): Record<string, number | undefined> {
  const scores = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])
  return {
    min_reward: Math.min(...scores),
    mean_reward: meanOf(scores),
    max_reward: Math.max(...scores),
    accuracy: meanOf(pairs.map(({ chosen, rejected }) => (chosen > rejected ? 1 : 0))),
    margin: meanOf(pairs.map(({ chosen, rejected }) => chosen - rejected)),
  }
}
